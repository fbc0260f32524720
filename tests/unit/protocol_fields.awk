# SPDX-License-Identifier: GPL-2.0-only
#
# protocol_fields.awk - every field and constant that the headers declare
#
# Only names are taken from the text; offsets, sizes and values come from the
# compiler, where protocol_layout.c expands these lines.

/^struct sb_[a-z_]+ \{/ {
	struct = $2
	print "STRUCT(" struct ")"
	next
}
/^};/ { struct = "" }
struct != "" && /;$/ {
	name = $0
	sub(/;$/, "", name)
	sub(/\[.*\]$/, "", name)
	sub(/^.*[ \t*]/, "", name)
	print "FIELD(" struct ", " name ")"
	next
}
/^#define SB_[A-Z0-9_]+ / { print "CONSTANT(" $2 ")" }
/^\tSB_[A-Z0-9_]+ = / { print "CONSTANT(" $1 ")" }
