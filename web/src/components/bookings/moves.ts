import { answer, http } from '@/api/client'
import type { Booking } from '@/api/types'
import { ifMatch } from '@/components/desk/act'
import type { Move } from '@/lib/labels'

/** What a person adds to a move; which of them counts depends on the move. */
export interface MoveInput {
  reason?: string
  people?: number
}

type Header = { 'Idempotency-Key': string }

/** An order as it is now. */
export function read(booking: string): Promise<Booking> {
  return answer(http.GET('/api/v1/bookings/{booking_id}', { params: { path: { booking_id: booking } } }))
}

/** The moves made with one tap, or one word more. */
export type Single = Exclude<Move, 'change'>

/** Make a move; the answer is the order as it is afterwards. */
export function perform(booking: Booking, move: Single, input: MoveInput, header: Header): Promise<Booking> {
  const path = { booking_id: booking.id }
  const params = { path, header }
  // An answer is to what is shown, not to what the branch has made of it meanwhile.
  const seen = { path, header: { ...header, ...ifMatch(booking.version) } }
  const reason = input.reason || null
  const people_attended = input.people ?? null
  switch (move) {
    case 'approve':
      return answer(http.POST('/api/v1/bookings/{booking_id}/approve', { params: seen, body: {} }))
    case 'reject':
      return answer(
        http.POST('/api/v1/bookings/{booking_id}/reject', { params: seen, body: { reason: reason ?? '' } }),
      )
    case 'cancel':
      return answer(http.POST('/api/v1/bookings/{booking_id}/cancel', { params, body: { reason } }))
    case 'arrive':
      return answer(http.POST('/api/v1/bookings/{booking_id}/arrive', { params, body: { people_attended } }))
    case 'complete':
      return answer(http.POST('/api/v1/bookings/{booking_id}/complete', { params, body: { people_attended } }))
    case 'no-show':
      return answer(http.POST('/api/v1/bookings/{booking_id}/no-show', { params, body: { reason } }))
  }
}
