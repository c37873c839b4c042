import type { DeliveryStatus, Outward } from '@/api/types'

/** The ways a person may choose, in the order in which they are offered. */
export const OUTWARD: Record<Outward, string> = {
  wechat: '微信',
  sms: '短信',
  email: '邮件',
  wecom: '企业微信群',
}

export const WAYS: Record<string, string> = { inbox: '站内消息', ...OUTWARD }

export const DELIVERIES: Record<DeliveryStatus, string> = {
  failed: '发送失败',
  waiting: '等待重试',
  leased: '发送中',
  missed: '未发',
}

const KINDS: Record<string, string> = {
  'answer-due': '预约即将超时',
  'booking-approved': '预约已接单',
  'booking-cancelled': '预约已取消',
  'booking-changed': '预约有改动',
  'booking-completed': '活动已完成',
  'booking-escalated': '预约转接',
  'booking-expired': '预约已超时',
  'booking-no-show': '预约爽约',
  'booking-pending': '新预约待接单',
  'booking-rejected': '预约被拒',
  'branch-suspended': '暂停新预约',
  'claims-unreviewed': '补单待审核',
  'claims-unsubmitted': '补单待提交',
  'holidays-missing': '缺少节假日安排',
  'location-reported': '位置有误反馈',
  'records-differ': '对账发现差异',
  'review-due': '请评价活动',
  'site-closed': '预约时段临时闭馆',
  'suspension-ended': '暂停预约已结束',
  'suspension-lifted': '恢复预约',
  'visit-in-days': '活动临近',
  'visit-soon': '活动即将开始',
  'visit-tomorrow': '明日活动提醒',
  'visits-today': '今日接待',
  'waitlist-closed': '候补场次取消',
  'waitlist-expired': '候补名额已过期',
  'waitlist-lapsed': '未候到名额',
  'waitlist-offered': '候补有名额了',
}
/** What a message is about. */
export const messageKind = (code: string): string => KINDS[code] ?? code
