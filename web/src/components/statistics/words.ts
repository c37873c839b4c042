import type { AnswerBy, Category, DemandBy, Measures, PublicBy, Sector, UsageBy, UsageKey } from '@/api/types'
import { monthName } from '@/components/claims/claim'
import { count, dateName, money } from '@/lib/format'
import { CATEGORIES, programmeKind, SECTORS } from '@/lib/labels'

/* What the codes of the statistics are called: in Chinese, and in English after it. */

export type Word = readonly [chinese: string, english: string]
export type Measure = keyof Measures

export const USAGE_BYS: Record<UsageBy, Word> = {
  site: ['阵地', 'Site'],
  category: ['类别', 'Category'],
  town: ['镇街', 'Town'],
  sector: ['支部领域', 'Sector'],
  branch: ['支部', 'Branch'],
  programme: ['菜单', 'Menu item'],
  day: ['日', 'Day'],
  week: ['周', 'Week'],
  month: ['月', 'Month'],
  quarter: ['季度', 'Quarter'],
  year: ['年', 'Year'],
}
/** What has no period before of its own. */
export const TIMES: UsageBy[] = ['day', 'week', 'month', 'quarter', 'year']

export const DEMAND_BYS: Record<DemandBy, Word> = {
  town: ['镇街', 'Town'],
  site: ['阵地', 'Site'],
  category: ['类别', 'Category'],
  programme_kind: ['菜单', 'Menu item'],
  people: ['人数', 'People'],
  weekday: ['星期', 'Weekday'],
  hour: ['时段', 'Hour'],
  rule: ['缺什么', 'Short of'],
  day: ['日', 'Day'],
  month: ['月', 'Month'],
}

export const ANSWER_BYS: Record<AnswerBy, Word> = {
  site: ['阵地', 'Site'],
  town: ['镇街', 'Town'],
  month: ['月', 'Month'],
}

export const PUBLIC_BYS: Record<PublicBy, Word> = {
  month: ['月', 'Month'],
  town: ['镇街', 'Town'],
  category: ['类别', 'Category'],
  site: ['阵地', 'Site'],
}

export const MEASURES: Record<Measure, Word> = {
  bookings: ['预约', 'Bookings'],
  visits: ['到访', 'Visits'],
  people: ['人次', 'People'],
  occupancy: ['上座率', 'Occupancy'],
  rejected: ['拒单', 'Rejected'],
  no_shows: ['爽约', 'No-shows'],
  late_cancels: ['临期取消', 'Late cancels'],
  rating: ['平均评分', 'Rating'],
  answer_minutes: ['平均接单时长', 'Answer time'],
  subsidy_fen: ['补助', 'Subsidy'],
}
export const MEASURE_CODES = Object.keys(MEASURES) as Measure[]

const SHOWN: Partial<Record<Measure, (value: number) => string>> = {
  occupancy: (value) => `${(value * 100).toFixed(1)}%`,
  rating: (value) => value.toFixed(2),
  answer_minutes: minutes,
  subsidy_fen: money,
}

export function minutes(value: number): string {
  const [hours, rest] = [value / 60, Math.round(value)]
  return Math.abs(value) < 90 ? `${rest} 分钟` : `${hours.toFixed(1)} 小时`
}

export function shown(measure: Measure, value: number | null): string {
  return value === null ? '—' : (SHOWN[measure] ?? count)(value)
}

/** `前期 12，+3`: what it was, and how much more or less it is now. */
export function compared(measure: Measure, now: number | null, then: number | null): string {
  if (then === null) return '前期 —'
  if (now === null) return `前期 ${shown(measure, then)}`
  const more = now - then
  const sign = more > 0 ? '+' : ''
  return `前期 ${shown(measure, then)}，${more === 0 ? '持平' : sign + shown(measure, more)}`
}

const UNKNOWN = '未注明'
const SHORTAGES: Record<string, string> = { 'session-full': '名额不足', 'guide-not-free': '讲解员不足' }
const WEEKDAYS = ['周一', '周二', '周三', '周四', '周五', '周六', '周日']

const NAMES: Record<string, (code: string) => string> = {
  category: (code) => CATEGORIES[code as Category]?.name ?? code,
  sector: (code) => SECTORS[code as Sector] ?? code,
  programme_kind: programmeKind,
  people: (code) => `${code} 人`,
  hour: (code) => `${Number(code)} 点`,
  rule: (code) => SHORTAGES[code] ?? code,
  weekday: (code) => WEEKDAYS[Number(code) - 1] ?? code,
  day: dateName,
  week: (code) => code.replace(/^(\d+)-W0?(\d+)$/, '$1年第$2周'),
  month: (code) => monthName(`${code}-01`),
  quarter: (code) => code.replace(/^(\d+)-Q(\d)$/, '$1年第$2季度'),
  year: (code) => `${code}年`,
}

/** What a key of a cell is called; a key that is not named above is a name already. */
export function keyName(by: string, name: string | null): string {
  return name === null ? UNKNOWN : (NAMES[by]?.(name) ?? name)
}

/** What rows are told apart by; what an address says besides has no name. */
export const headsOf = <By extends string>(words: Record<By, Word>, bys: By[]): Word[] =>
  bys.flatMap((by) => (words[by] ? [words[by]] : []))

export const usageKeyName = (by: UsageBy, { name }: UsageKey): string => keyName(by, name)
