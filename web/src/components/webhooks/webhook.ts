import type { EventType, WebhookState } from '@/api/types'

export const EVENTS: Record<EventType, string> = {
  'booking.*': '全部预约事件',
  'booking.created': '新预约',
  'booking.changed': '改约',
  'booking.pending': '待接单',
  'booking.approved': '已接单',
  'booking.rejected': '已拒单',
  'booking.expired': '已超时',
  'booking.cancelled': '已取消',
  'booking.no_show': '爽约',
  'booking.arrived': '已到场',
  'booking.completed': '已完成',
  'claim.*': '全部补单事件',
  'claim.created': '新补单',
  'claim.changed': '补单改动',
  'claim.submitted': '补单已提交',
  'claim.reviewed': '补单已审核',
  'claim.approved': '补单已批准',
  'claim.paid': '补单已支付',
  'claim.returned': '补单已退回',
}

/** What an event is called; `ping` is the one that tells nothing. */
export const eventName = (code: string): string =>
  code === 'ping' ? '测试' : (EVENTS[code as EventType] ?? code)

export const STATES: Record<WebhookState, string> = {
  waiting: '等待发送',
  leased: '发送中',
  delivered: '已送达',
  failed: '已放弃',
  stopped: '已停止',
}
