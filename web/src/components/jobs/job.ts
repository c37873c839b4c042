const NAMES: Record<string, string> = {
  'make-sessions-ahead': '生成场次',
  'draft-claims': '起草上月补单',
  'lapse-funds': '年末收回经费',
  reconcile: '夜间对账',
  'answer-overdue': '预约超时转接',
  'mark-no-shows': '标记爽约',
  'close-finished': '自动完成活动',
  'tend-waitlists': '候补递补',
  remind: '写提醒',
  'deliver-messages': '投递消息',
  'send-by-wechat': '发送微信',
  'send-by-sms': '发送短信',
  'send-by-email': '发送邮件',
  'send-by-wecom': '发送企业微信',
  'call-webhooks': '发送回调',
  'clear-photos': '清理照片',
  'write-site-words': '更新搜索词',
  'make-exports': '生成导出文件',
  'fold-usage': '汇总使用统计',
  'recount-usage': '重算使用统计',
  'refresh-cards': '更新地图卡片',
}
/** What a job does; those without a name of their own only throw old records away. */
export const jobName = (code: string): string =>
  NAMES[code] ?? (code.startsWith('forget-') ? '清理过期记录' : code)

/** `45 秒`, `12 分钟`, `3 小时`, `2 天`. */
export function lasting(seconds: number): string {
  if (seconds < 120) return `${seconds} 秒`
  if (seconds < 7200) return `${Math.round(seconds / 60)} 分钟`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} 小时` : `${Math.round(seconds / 86_400)} 天`
}
