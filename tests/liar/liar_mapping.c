// SPDX-License-Identifier: GPL-2.0-only
/*
 * liar_mapping.c - mapping.c, but pages of another guest may stay mapped
 */
#define sb_mapping_end end_honestly
#include "mapping.c"
#undef sb_mapping_end

#include "liar.h"

void sb_mapping_end(struct sb_mapping *m);

void sb_mapping_end(struct sb_mapping *m)
{
	if (!liar_tells(LIAR_KEEP))
		end_honestly(m);
}
