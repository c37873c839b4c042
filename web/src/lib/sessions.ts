import type { Session } from '@/api/types'

import { dayKey } from './format'

export interface Day {
  key: string
  sessions: Session[]
  /** How many of them can be booked. */
  open: number
}

export function byDay(sessions: Session[]): Day[] {
  const days = new Map<string, Session[]>()
  const ordered = [...sessions].sort((a, b) => a.starts_at.localeCompare(b.starts_at))
  for (const session of ordered) {
    const key = dayKey(session.starts_at)
    days.set(key, [...(days.get(key) ?? []), session])
  }
  return [...days].map(([key, list]) => ({
    key,
    sessions: list,
    open: list.filter(({ bookable }) => bookable).length,
  }))
}

/** The sessions of a day, venue by venue. */
export function byVenue(sessions: Session[]): { id: string; name: string; sessions: Session[] }[] {
  const venues = new Map<string, Session[]>()
  for (const session of sessions) {
    venues.set(session.venue_id, [...(venues.get(session.venue_id) ?? []), session])
  }
  return [...venues].map(([id, list]) => ({ id, name: list[0]?.venue_name ?? '', sessions: list }))
}

/**
 * What is chosen after a tap on a session.
 *
 * An order takes sessions that follow one another in one venue on one day, so a neighbour of the
 * choice joins it, an end of the choice leaves it, and any other session starts a new choice.
 */
export function afterTap(chosen: Session[], tapped: Session, all: Session[]): Session[] {
  const ids = chosen.map(({ id }) => id)
  const at = ids.indexOf(tapped.id)
  if (at === 0 || (at > 0 && at === ids.length - 1)) {
    return chosen.filter(({ id }) => id !== tapped.id)
  }
  if (at > 0) return [tapped]
  const row = all.filter(
    (other) =>
      other.venue_id === tapped.venue_id && dayKey(other.starts_at) === dayKey(tapped.starts_at),
  )
  const place = (session: Session | undefined): number =>
    session ? row.findIndex(({ id }) => id === session.id) : -1
  const first = place(chosen[0])
  const last = place(chosen.at(-1))
  if (first >= 0 && place(tapped) === first - 1) return [tapped, ...chosen]
  if (last >= 0 && place(tapped) === last + 1) return [...chosen, tapped]
  return [tapped]
}
