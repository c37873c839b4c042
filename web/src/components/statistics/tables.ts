import type { Export, TableMedia, TableName, TableOrder } from '@/api/types'

import type { Word } from './words'

/* What can be taken away as a file, and how that goes. */

export const TABLES: Record<TableName, Word> = {
  usage: ['阵地使用统计', 'Usage by site and month'],
  answers: ['接单时效与履约情况', 'Answers by site and month'],
  satisfaction: ['菜单项目满意度', 'Satisfaction by menu item'],
  bookings: ['预约与到访明细', 'Bookings and visits'],
  coverage: ['支部覆盖情况', 'Coverage by branch'],
  demand: ['未满足的需求', 'Demand'],
  reach: ['15 分钟党建圈', 'Reach by branch'],
  overview: ['数据总览', 'Overview'],
}
/** What some tables are asked for besides their days. */
export type TableWish = Pick<TableOrder, 'silent_days' | 'radius_m' | 'people'>
export const MEDIA: TableMedia[] = ['xlsx', 'csv']

export const EXPORT_STATES: Record<Export['state'], Word> = {
  waiting: ['排队中', 'Waiting'],
  running: ['生成中', 'Being made'],
  done: ['可以下载', 'Ready'],
  failed: ['未能生成', 'Failed'],
}

const PROBLEMS: Record<string, string> = {
  'export-left': '多次中断',
  'not-in-scope': '权限已变更',
  'storage-unavailable': '存储暂不可用',
  'table-too-large': '数据过多，请缩短期间',
  internal: '系统内部错误',
}
/** What went wrong with a file; a code without a name says at least what to ask the keepers about. */
export const exportProblem = (code: string): string => PROBLEMS[code] ?? code
