import { computed, ref, watch } from 'vue'

import { answer, http } from '@/api/client'
import { canRenew, forget, keep, storedRefreshToken } from '@/api/tokens'
import type { Booking, Me, Role } from '@/api/types'

/* Who is logged in. */

export const me = ref<Me | null>(null)
export const loggedIn = computed(() => canRenew())

const SITE_ROLES: Role[] = ['site_manager']
const STAFF_ROLES: Role[] = ['town_staff', 'district_staff', 'auditor']
const FIGURES_ROLES: Role[] = [...STAFF_ROLES, 'fund_officer', 'fund_approver']

const holds = (roles: Role[]): boolean =>
  me.value?.grants.some((grant) => roles.includes(grant.role)) ?? false

export const isManager = computed(() => holds(SITE_ROLES))
export const isStaff = computed(() => holds(STAFF_ROLES))
/** Whether this person puts sites on the map and takes them off. */
export const opensSites = computed(() => holds(['district_staff']))
export const keepsSites = computed(() => holds(['site_manager', 'district_staff']))
/** Whether this person is a manager of that very site. */
export const manages = (site: string): boolean =>
  me.value?.grants.some((grant) => grant.role === 'site_manager' && grant.site?.id === site) ?? false
export const seesFigures = computed(() => holds(FIGURES_ROLES))
export const seesClaims = computed(() => holds([...SITE_ROLES, ...FIGURES_ROLES]))
export const reviewsClaims = computed(() => holds(['fund_officer']))
export const approvesClaims = computed(() => holds(['fund_approver']))
export const keepsFunds = computed(() => reviewsClaims.value || approvesClaims.value)
/** Whether this person makes accounts, changes them and hands out codes. */
export const keepsPeople = computed(() => holds(['organiser', 'town_staff', 'district_staff', 'system_admin']))
export const seesPeople = computed(() => keepsPeople.value || holds(['security_admin', 'auditor']))
/** Whether this person looks after a whole district: its outbox and its webhooks. */
export const keepsDistrict = computed(() => holds(['district_staff']))
export const seesWebhooks = computed(() => holds(['district_staff', 'auditor']))
export const keepsJobs = computed(() => holds(['district_staff', 'system_admin']))
/** The districts this person looks after. */
export const keptDistricts = computed(() => {
  const grants = me.value?.grants.filter((grant) => grant.role === 'district_staff') ?? []
  return grants.flatMap((grant) => (grant.organisation ? [grant.organisation] : []))
})
/** The branches for which this person may order. */
export const branches = computed(() => {
  const grants = me.value?.grants.filter((grant) => grant.role === 'organiser') ?? []
  return grants.flatMap((grant) => (grant.organisation ? [grant.organisation] : []))
})

/** Whether an order is one of this person's own branches. */
export function isOwn({ organisation }: Booking): boolean {
  return branches.value.some(({ id }) => id === organisation.id)
}

export async function logIn(phone: string, password: string): Promise<void> {
  const token = await answer(
    http.POST('/api/v1/auth/token', {
      body: { username: phone, password, grant_type: 'password' },
      bodySerializer: (fields) => new URLSearchParams(fields as Record<string, string>),
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    }),
  )
  keep(token)
  await loadMe()
}

/** Whose password the next page is about; not in the address, which is kept and shown. */
export const phoneTyped = ref('')

/** Set a password with the present one, even if it has expired, or with a code from staff. */
export async function setPassword(
  proof: { current_password: string } | { code: string },
  phone: string,
  new_password: string,
): Promise<void> {
  await answer(http.POST('/api/v1/auth/password', { body: { phone, new_password, ...proof } }))
  forget() // The change has ended every login.
}

export async function logOut(): Promise<void> {
  const refresh_token = storedRefreshToken()
  forget()
  if (refresh_token === null) return
  // Here the person is logged out already; the server's copy also ends by itself.
  await answer(http.POST('/api/v1/auth/logout', { body: { refresh_token } })).catch(() => undefined)
}

let asked: Promise<void> | null = null

/** Know who is logged in before a page that depends on it; quietly nobody when it fails. */
export function ready(): Promise<void> {
  if (!loggedIn.value || me.value) return Promise.resolve()
  asked ??= loadMe()
    .catch(() => undefined)
    .finally(() => {
      asked = null
    })
  return asked
}

async function loadMe(): Promise<void> {
  me.value = await answer(http.GET('/api/v1/me'))
}

watch(loggedIn, (now) => {
  if (!now) me.value = null
})
