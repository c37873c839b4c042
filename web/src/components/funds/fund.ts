import type { EntryKind, FundAccount, ReversalStatus, WhenExhausted } from '@/api/types'

export const ACCOUNTS: Record<FundAccount, string> = {
  source: '拨款来源',
  available: '可用',
  reserved: '已预留',
  payable: '待支付',
  paid: '已支付',
}

export const ENTRY_KINDS: Record<EntryKind, string> = {
  appropriate: '拨入',
  reserve: '预留',
  release: '释放',
  top_up: '增补',
  commit: '确认',
  pay: '支付',
  lapse: '年末收回',
  reverse_appropriate: '冲正拨入',
  reverse_commit: '冲正确认',
  reverse_top_up: '冲正增补',
  reverse_pay: '冲正支付',
}

/** What only a second person can undo; the rest is undone by what happens to the booking. */
export const REVERSIBLE: EntryKind[] = ['appropriate', 'commit', 'top_up', 'pay']

export const REVERSALS: Record<ReversalStatus, string> = {
  asked: '待复核',
  confirmed: '已冲正',
  refused: '已驳回',
}

/** What becomes of an order that the fund cannot cover. */
export const WHEN_EXHAUSTED: Record<WhenExhausted, string> = {
  refuse: '不能接单',
  unfunded: '照常接单，不补助',
}

/** Fen of `450000` or `1,234.50` yuan; null for what is no such sum. No sum goes through a fraction. */
export function fenOf(typed: string): number | null {
  const found = /^(\d{1,11})(?:\.(\d{1,2}))?$/.exec(typed.replace(/[,，\s]/g, ''))
  if (!found) return null
  const fen = Number(found[1]) * 100 + Number((found[2] ?? '').padEnd(2, '0'))
  return fen > 0 ? fen : null
}
