import { computed, onMounted, type ComputedRef } from 'vue'

import { daysFromNow } from './format'
import { periods, type Days } from './periods'
import type { Choices } from './useChoices'

/** The year that today is in. */
function thisYear(): Days {
  const [, , days] = periods()[2] ?? []
  return days ?? { from: daysFromNow(0), to: daysFromNow(0) }
}

/**
 * The days that a page counts, from its address; without any, `usual`.
 *
 * They are put into the address, for "this year" is another one when the link is opened later.
 */
export function useDays({ one, choose }: Pick<Choices, 'one' | 'choose'>, usual: Days = thisYear()): ComputedRef<Days> {
  const days = computed(() => ({ from: one('from') || usual.from, to: one('to') || usual.to }))
  onMounted(() => {
    if (!one('from') || !one('to')) void choose({ ...days.value })
  })
  return days
}
