import type { Export, TableMedia, TableName } from '@/api/types'

import type { Word } from './words'

/* What can be taken away as a file, and how that goes. */

export const TABLES: Record<TableName, Word> = {
  usage: ['阵地使用统计', 'Usage by site and month'],
  bookings: ['预约与到访明细', 'Bookings and visits'],
  overview: ['数据总览', 'Overview'],
}
export const MEDIA: TableMedia[] = ['xlsx', 'csv']

export const EXPORT_STATES: Record<Export['state'], Word> = {
  waiting: ['排队中', 'Waiting'],
  running: ['生成中', 'Being made'],
  done: ['可以下载', 'Ready'],
  failed: ['未能生成', 'Failed'],
}
