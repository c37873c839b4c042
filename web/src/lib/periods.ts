import { daysFromNow } from './format'

export interface Days {
  from: string
  /** The last day, counted too. */
  to: string
}

/** The month, the quarter and the year that today is in, up to today. */
export function periods(): readonly (readonly [name: string, english: string, days: Days])[] {
  const to = daysFromNow(0)
  const [year = '', month = ''] = to.split('-')
  const quarter = String(Math.floor((Number(month) - 1) / 3) * 3 + 1).padStart(2, '0')
  return [
    ['本月', 'Month', { from: `${year}-${month}-01`, to }],
    ['本季', 'Quarter', { from: `${year}-${quarter}-01`, to }],
    ['本年', 'Year', { from: `${year}-01-01`, to }],
  ]
}

const DAY_MS = 86_400_000
const iso = (instant: number): string => new Date(instant).toISOString().slice(0, 10)

export const dayBefore = (day: string): string => iso(Date.parse(day) - DAY_MS)

/** As many days right before. */
export function before({ from, to }: Days): Days {
  const first = Date.parse(from)
  const last = Date.parse(to)
  return { from: iso(first - (last - first) - DAY_MS), to: dayBefore(from) }
}
