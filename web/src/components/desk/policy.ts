import type { PolicyIn, PolicyVersion } from '@/api/types'

/* The rules of ordering, as people read and write them. */

export type Rules = Required<Omit<PolicyIn, 'effective_at'>>
export type Whole = Exclude<keyof Rules, 'approval_mode'>

interface Field {
  name: Whole
  label: string
  unit: string
  hint: string
  min: number
  max: number
}

export const GROUPS: { title: string; fields: Field[] }[] = [
  {
    title: '什么时候可以预约',
    fields: [
      { name: 'lead_working_days', label: '一般提前量', unit: '个工作日', hint: '至少提前这么久，调休上班日也算', min: 0, max: 60 },
      { name: 'lead_working_days_large', label: '大团队提前量', unit: '个工作日', hint: '大团队和区外支部至少提前这么久', min: 0, max: 60 },
      { name: 'large_party_people', label: '大团队', unit: '人以上', hint: '超过这个人数按大团队提前量', min: 1, max: 10000 },
      { name: 'horizon_days', label: '可预约范围', unit: '天内', hint: '最多提前这么久，含周末和节假日', min: 0, max: 366 },
      { name: 'open_bookings_limit', label: '未完成预约', unit: '个', hint: '一个支部在一处阵地同时最多有这么多', min: 1, max: 100 },
    ],
  },
  {
    title: '答复、改约与取消',
    fields: [
      { name: 'answer_working_days', label: '答复时限', unit: '个工作日', hint: '到时未答复转镇街，再到时失效', min: 1, max: 30 },
      { name: 'free_cancel_working_days', label: '免责取消', unit: '个工作日前', hint: '此后取消算逾期，也不能再改约', min: 0, max: 60 },
      { name: 'offer_hours', label: '候补确认时限', unit: '小时', hint: '空出的名额为候补支部保留这么久', min: 1, max: 168 },
      { name: 'travel_km_per_hour', label: '线路行进速度', unit: '公里/小时', hint: '按直线距离估算两站之间的路程', min: 1, max: 300 },
    ],
  },
  {
    title: '违约与暂停',
    fields: [
      { name: 'late_cancel_strikes', label: '逾期取消', unit: '次违约', hint: '填 0 则不记', min: 0, max: 100 },
      { name: 'no_show_strikes', label: '爽约', unit: '次违约', hint: '填 0 则不记', min: 0, max: 100 },
      { name: 'strikes_limit', label: '暂停门槛', unit: '次违约', hint: '累计达到后暂停新预约，已有预约不受影响', min: 1, max: 100 },
      { name: 'strike_months', label: '累计期', unit: '个月', hint: '更早的违约不再计', min: 1, max: 60 },
      { name: 'suspension_days', label: '暂停时长', unit: '天', hint: '镇街和区委组织部可以说明原因提前解除', min: 1, max: 730 },
    ],
  },
]
const FIELDS = GROUPS.flatMap(({ fields }) => fields)

export const APPROVAL = { manual: '阵地逐单答复', auto: '符合规则即接单' } as const
export const LABELS: Record<string, string> = {
  ...Object.fromEntries(FIELDS.map(({ name, label }) => [name, label])),
  approval_mode: '接单方式',
  effective_at: '生效时间',
}

/** What a version says, without its number and times. */
export function rulesOf(version: PolicyVersion): Rules {
  const numbers = Object.fromEntries(FIELDS.map(({ name }) => [name, version[name]])) as Pick<Rules, Whole>
  return { ...numbers, approval_mode: version.approval_mode }
}

/** What is different, a line each. */
export function differences(now: PolicyVersion, before: PolicyVersion | undefined): string[] {
  if (!before) return []
  const numbers = FIELDS.filter(({ name }) => now[name] !== before[name]).map(
    ({ name, label, unit }) => `${label}：${before[name]} → ${now[name]} ${unit}`,
  )
  const mode = now.approval_mode === before.approval_mode ? [] : [`接单方式：${APPROVAL[now.approval_mode]}`]
  return [...numbers, ...mode]
}
