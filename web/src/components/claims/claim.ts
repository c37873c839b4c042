import { http } from '@/api/client'
import type { ClaimDetail, ClaimLine } from '@/api/types'
import { money } from '@/lib/format'
import { save } from '@/lib/save'

/** `2026年3月` of `2026-03-01`. */
export function monthName(date: string): string {
  return `${Number(date.slice(0, 4))}年${Number(date.slice(5, 7))}月`
}

/** How the amount of a visit was reached, where the rule was a base and so much a head. */
export function sum({ arithmetic }: ClaimLine): string {
  const { base_fen: base, per_head_fen: each, heads, visit_cap_fen: cap } = arithmetic
  if (![base, each, heads, cap].every((part) => typeof part === 'number')) return ''
  return `${money(Number(base))} + ${money(Number(each))} × ${Number(heads)} 人，每次不超过 ${money(Number(cap))}`
}

/** Save a claim as a file. */
export async function download(claim: ClaimDetail, ending: 'xlsx' | 'pdf'): Promise<void> {
  const params = { path: { claim_id: claim.id } }
  const parseAs = 'blob' as const
  const call =
    ending === 'xlsx'
      ? http.GET('/api/v1/claims/{claim_id}.xlsx', { params, parseAs })
      : http.GET('/api/v1/claims/{claim_id}.pdf', { params, parseAs })
  await save(call, `补单-${claim.site.name}-${monthName(claim.month)}.${ending}`)
}
