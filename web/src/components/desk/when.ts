import { clock, daysFromNow, dayKey } from '@/lib/format'

/* Days and times as they are typed: those of the district, wherever the telephone thinks it is. */

const OFFSET = '+08:00'
const DAY_MS = 86_400_000

/** The instant of `2026-03-01` and `09:00`; empty, which the server refuses, where one is missing. */
export function instant(day: string, time: string): string {
  return day && time ? `${day}T${time}:00${OFFSET}` : ''
}

export function dayAfter(day: string): string {
  return shifted(day, 1)
}

export function dayBefore(day: string): string {
  return shifted(day, -1)
}

function shifted(day: string, days: number): string {
  return day ? new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10) : ''
}

/** ISO: 1 Monday to 7 Sunday. */
export function isoWeekday(moment: string): number {
  return new Date(`${dayKey(moment)}T00:00:00Z`).getUTCDay() || 7
}

export const WEEKDAYS = ['一', '二', '三', '四', '五', '六', '日'].map(
  (name, index) => [index + 1, `周${name}`] as const,
)
export const weekdayName = (weekday: number): string => WEEKDAYS[weekday - 1]?.[1] ?? ''

export const today = (): string => daysFromNow(0)

/** `12月5日 全天`, `12月5日 09:00 至 12月6日 12:00`; both instants ISO 8601. */
export function period(from: string, to: string): string {
  const last = new Date(Date.parse(to) - 1).toISOString()
  const whole = clock(from) === '00:00' && clock(to) === '00:00'
  if (whole) return dayKey(from) === dayKey(last) ? `${named(from)} 全天` : `${named(from)} 至 ${named(last)}`
  if (dayKey(from) === dayKey(last)) return `${named(from)} ${clock(from)}–${clock(to) === '00:00' ? '24:00' : clock(to)}`
  return `${named(from)} ${clock(from)} 至 ${named(to)} ${clock(to)}`
}

function named(moment: string): string {
  const [year, month, number] = dayKey(moment).split('-').map(Number)
  const date = `${month}月${number}日`
  return String(year) === today().slice(0, 4) ? date : `${year}年${date}`
}
