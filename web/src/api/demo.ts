import type { Role } from './types'

/** A made-up person whose password is no secret. */
export interface DemoAccount {
  role: Role
  name: string
  phone: string
  password: string
  site_id: string | null
}

/** Whom one may log in as in a demonstration; outside of the contract, as it is no part of the product. */
export async function demoAccounts(): Promise<DemoAccount[]> {
  const response = await fetch('/api/v1/demo/accounts')
  return response.ok ? ((await response.json()) as { items: DemoAccount[] }).items : []
}
