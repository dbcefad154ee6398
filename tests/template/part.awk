# SPDX-License-Identifier: Apache-2.0
# part: prints the block of providers/TEMPLATE.md whose file is `part`, as it stands there.
#	awk -v part=providers/acme.c -f part.awk providers/TEMPLATE.md
/^```$/ { inside = 0 }
inside { sub(/^\\```/, "```"); print }
/^```[a-z]+ / && $2 == part { inside = found = 1 }
END { exit !found }
