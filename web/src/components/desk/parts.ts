import type { Flag } from '@/api/types'

/* The pages of a site's desk. */

export const PARTS = {
  '': '基本信息',
  photos: '照片',
  hours: '开放时间',
  closures: '临时闭馆',
  menu: '菜单',
  guides: '讲解员',
  rules: '规则',
  place: '位置',
} as const
export type Part = keyof typeof PARTS

/** Where each thing that a site lacks is mended. */
export const MENDED_IN: Record<Flag, Part> = {
  no_photo: 'photos',
  location_unverified: 'place',
  phone_unconfirmed: '',
  location_disputed: 'place',
}
