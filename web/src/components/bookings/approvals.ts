import { answer, http } from '@/api/client'
import type { Booking } from '@/api/types'

/** As many as the server takes at once. */
export const MOST_AT_ONCE = 100

/** What became of an order that was to be accepted: the reason why not, or null. */
export interface Outcome {
  booking: Booking
  refusal: string | null
}

/** Accept orders as they are shown, each for itself. */
export async function approve(bookings: Booking[], header: { 'Idempotency-Key': string }): Promise<Outcome[]> {
  const items = bookings.map(({ id, version }) => ({ id, version }))
  const told = await answer(http.POST('/api/v1/bookings/approve', { body: { items }, params: { header } }))
  return bookings.map((booking) => {
    const problem = told.items.find(({ id }) => id === booking.id)?.problem
    return { booking, refusal: problem ? problem.detail || problem.title : null }
  })
}
