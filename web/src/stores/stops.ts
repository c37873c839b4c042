import { ref } from 'vue'

import type { Session } from '@/api/types'

/* The stops of the route that is being put together, by time; choosing the next one leaves the page. */

export interface Stop {
  site: { id: string; name: string }
  sessions: Session[]
  programmes: string[]
}

export const MOST_STOPS = 6
export const stops = ref<Stop[]>([])

const begins = ({ sessions }: Stop): string => sessions[0]?.starts_at ?? ''

/** Take a stop into the route, in the place of one with a session of the same hour there. */
export function addStop(stop: Stop): void {
  const others = stops.value.filter(
    ({ sessions }) => !sessions.some(({ id }) => stop.sessions.some((other) => other.id === id)),
  )
  stops.value = [...others, stop].sort((a, b) => begins(a).localeCompare(begins(b)))
}

export function dropStop(index: number): void {
  stops.value = stops.value.filter((_, at) => at !== index)
}
