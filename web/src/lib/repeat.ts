import type { Repeat } from '@/api/types'

import { dayKey, weekday } from './format'

const LAST_SAFE = 28

/** What repeating from a first day on means, in words; the server counts in the same way. */
export function repeatNames(first: string): Record<Repeat, string> {
  const date = Number(dayKey(first).slice(8))
  const nth = Math.ceil(date / 7)
  const which = nth > 4 ? '最后一个' : `第${'一二三四'.charAt(nth - 1)}个`
  const short = date > LAST_SAFE ? '（没有这一天的月份取最后一天）' : ''
  return { weekday: `每月${which}${weekday(first)}`, date: `每月 ${date} 日${short}` }
}
