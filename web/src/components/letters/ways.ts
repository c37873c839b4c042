import type { Channel, Outward } from '@/api/types'

import { OUTWARD } from './letter'

/** A way as it is on the page: `typed` is a new address, `kept` the masked one the server has. */
export interface WayDraft {
  channel: Outward
  enabled: boolean
  typed: string
  kept: string | null
  /** Whether the server knows an address; null for a way that was never chosen. */
  reachable: boolean | null
}

export const takesAddress = (channel: Outward): boolean => channel === 'email' || channel === 'wecom'

/** What was chosen, in its order, and then the ways that were not. */
export function drafts(chosen: Channel[]): WayDraft[] {
  const others = (Object.keys(OUTWARD) as Outward[]).filter((way) => !chosen.some(({ channel }) => channel === way))
  return [
    ...chosen.map(({ channel, enabled, address, reachable }) => ({
      channel,
      enabled,
      typed: '',
      kept: address,
      reachable,
    })),
    ...others.map((channel) => ({ channel, enabled: false, typed: '', kept: null, reachable: null })),
  ]
}

/** What to send: every way that is wanted, was chosen before, or has an address now. */
export function wishes(ways: WayDraft[]): { channel: Outward; enabled: boolean; address?: string }[] {
  return ways
    .filter(({ enabled, reachable, typed }) => enabled || reachable !== null || typed.trim())
    .map(({ channel, enabled, typed }) => ({
      channel,
      enabled,
      ...(takesAddress(channel) && typed.trim() && { address: typed.trim() }),
    }))
}
