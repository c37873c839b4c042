import { reactive, ref, watch, type Ref } from 'vue'

import type { BookingIn, Purpose } from '@/api/types'

import { branches, me } from './session'

/*
 * What has been filled in of an order. It outlives the page, because logging in and taking an
 * alternative at another site both leave it and come back.
 */
export const draft = reactive({
  people: 20,
  purpose: 'theme_party_day' as Purpose,
  contactName: '',
  contactPhone: '',
  note: '',
})

/** The branch that orders: the first of this person's, until another is chosen. */
export function useBranch(): Ref<string> {
  const branch = ref('')
  watch(
    branches,
    (now) => {
      branch.value ||= now[0]?.id ?? ''
      draft.contactName ||= me.value?.name ?? ''
    },
    { immediate: true },
  )
  return branch
}

type Said = Omit<BookingIn, 'session_ids' | 'programme_ids'>

/** What an order says besides its sessions and menu. */
export function said(branch: string): Said {
  return {
    organisation_id: branch,
    people_expected: draft.people,
    purpose: draft.purpose,
    contact_name: draft.contactName.trim(),
    contact_phone: draft.contactPhone.trim(),
    note: draft.note.trim() || null,
  }
}
