import { computed, type ComputedRef } from 'vue'

import type { Choices } from './useChoices'

const SHORT = 100
/** What the server gives at once at the most. */
const LONGEST = 5000
const TIMES = 5

export interface Limit {
  rows: ComputedRef<number>
  /** Ask for more rows; undefined when there can be no more. */
  lengthen: ComputedRef<(() => void) | undefined>
}

/** How many rows a page asks for, from its address. */
export function useLimit({ one, choose }: Pick<Choices, 'one' | 'choose'>): Limit {
  const rows = computed(() => Number(one('limit')) || SHORT)
  const lengthen = computed(() =>
    rows.value < LONGEST ? () => void choose({ limit: String(Math.min(LONGEST, rows.value * TIMES)) }) : undefined,
  )
  return { rows, lengthen }
}
