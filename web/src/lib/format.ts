/* Every time is shown in the district's zone, wherever the reader's telephone thinks it is. */
const ZONE = 'Asia/Shanghai'
const DAY_MS = 86_400_000

const dateParts = new Intl.DateTimeFormat('zh-CN', {
  timeZone: ZONE,
  year: 'numeric',
  month: 'numeric',
  day: 'numeric',
  weekday: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
})
const isoDay = new Intl.DateTimeFormat('sv-SE', { timeZone: ZONE })
const wholeNumber = new Intl.NumberFormat('zh-CN')
const yuan = new Intl.NumberFormat('zh-CN', { style: 'currency', currency: 'CNY' })

function parts(instant: string | Date): Record<string, string> {
  const list = dateParts.formatToParts(new Date(instant))
  return Object.fromEntries(list.map(({ type, value }) => [type, value]))
}

/** `2026-03-01`, the day on which an instant falls in the district. */
export function dayKey(instant: string | Date): string {
  return isoDay.format(new Date(instant))
}

export function daysFromNow(days: number): string {
  return dayKey(new Date(Date.now() + days * DAY_MS))
}

/** `今天`, `明天`, `3月1日`, with the year when it is another one. */
export function day(instant: string | Date): string {
  const key = dayKey(instant)
  if (key === daysFromNow(0)) return '今天'
  if (key === daysFromNow(1)) return '明天'
  const { year, month, day: number } = parts(instant)
  const date = `${month}月${number}日`
  return key.slice(0, 4) === daysFromNow(0).slice(0, 4) ? date : `${year}年${date}`
}

export function weekday(instant: string | Date): string {
  return parts(instant).weekday ?? ''
}

export function clock(instant: string | Date): string {
  const { hour, minute } = parts(instant)
  return `${hour}:${minute}`
}

/** `3月1日 周日` of `2026-03-01`. */
export function dateName(date: string): string {
  const noon = `${date}T12:00:00+08:00`
  return `${day(noon)} ${weekday(noon)}`
}

/** `3月1日 周日 09:00`. */
export function moment(instant: string | Date): string {
  return `${day(instant)} ${weekday(instant)} ${clock(instant)}`
}

/** `3月1日 周日 09:00–10:30`. */
export function span(from: string, to: string): string {
  return `${moment(from)}–${clock(to)}`
}

export function count(n: number): string {
  return wholeNumber.format(n)
}

/** `800 米`, `6.2 公里`. */
export function distance(metres: number): string {
  if (metres < 1000) return `${Math.round(metres / 10) * 10} 米`
  return `${(metres / 1000).toFixed(metres < 10_000 ? 1 : 0)} 公里`
}

export function money(fen: number): string {
  return yuan.format(fen / 100)
}

/** `+8613800000001` as people here say it: `138 0000 0001`. */
export function phone(number: string): string {
  return number.replace(/^\+86/, '').replace(/^(1\d{2})(\d{4})(\d{4})$/, '$1 $2 $3')
}
