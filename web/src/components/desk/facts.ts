import type { DeskSite, SiteChange } from '@/api/types'

/* What a site is, as it is typed: lists as one line of words. */

export const NAMES = {
  name: '名称',
  short_name: '简称',
  category: '类别',
  kinds: '类型',
  address: '地址',
  summary: '一句话简介',
  introduction: '介绍',
  contact_name: '联系人',
  contact_phone: '联系电话',
  parking_cars: '小车车位',
  parking_coaches: '大巴车位',
  step_free: '无障碍通道',
  lend: '可借用',
  code: '编号',
  honours: '荣誉',
}

type Words = 'lend' | 'honours'
export type Typed = Pick<DeskSite, Exclude<keyof typeof NAMES, Words>> & Record<Words, string>

const COMMA = '、'
const words = (typed: string): string[] =>
  typed
    .split(/[、，,;；\n]/)
    .map((word) => word.trim())
    .filter((word) => word !== '')

export function asTyped(desk: DeskSite): Typed {
  const found = Object.fromEntries(
    (Object.keys(NAMES) as (keyof typeof NAMES)[]).map((field) => [field, desk[field]]),
  ) as unknown as Typed
  return { ...found, lend: desk.lend.join(COMMA), honours: desk.honours.join(COMMA) }
}

export function meant({ lend, honours, ...others }: Partial<Typed>): SiteChange {
  return {
    ...others,
    ...(lend !== undefined && { lend: words(lend) }),
    ...(honours !== undefined && { honours: words(honours) }),
  }
}
