import type { Role, UserGrant } from '@/api/types'
import { moment } from '@/lib/format'
import { ROLES } from '@/lib/labels'

/** Where a role is given: at an organisation unless it is one of these. */
export const AT_A_SITE: Role[] = ['site_manager']
export const NOWHERE: Role[] = ['system_admin', 'security_admin']

const IN_A_TOWN: Role[] = ['member', 'organiser', 'site_manager']
const GIVEN_BY: Partial<Record<Role, Role[]>> = {
  security_admin: Object.keys(ROLES) as Role[],
  district_staff: [...IN_A_TOWN, 'town_staff'],
  town_staff: IN_A_TOWN,
  organiser: ['member'],
}

/** The roles that somebody who holds `held` gives and takes somewhere; where, the server says. */
export function givable(held: Role[]): Role[] {
  const found = new Set(held.flatMap((role) => GIVEN_BY[role] ?? []))
  return (Object.keys(ROLES) as Role[]).filter((role) => found.has(role))
}

/** `支部管理员 · 示例社区党支部`. */
export function grantName({ role, organisation, site }: UserGrant): string {
  const place = organisation ?? site
  return place ? `${ROLES[role]} · ${place.name}` : ROLES[role]
}

export const grantEnd = ({ ends_at }: UserGrant): string => (ends_at ? `到 ${moment(ends_at)} 为止` : '长期')
