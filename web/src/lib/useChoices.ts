import { computed } from 'vue'
import { useRoute, useRouter, type LocationQuery } from 'vue-router'

export type Changes = Record<string, string | string[]>

export interface Choices {
  /** The first value of a name in the address; empty without any. */
  one: (name: string) => string
  /** All values of a name in the address. */
  many: (name: string) => string[]
  /** Put values into the address; what is empty leaves it. */
  choose: (changes: Changes) => Promise<void>
}

/** What somebody chose on a page, kept in its address so that a link shows the same. */
export function useChoices(): Choices {
  const route = useRoute()
  const router = useRouter()
  const { path } = route
  // The address changes before a page that is left is gone; what it chose stays as it was.
  const query = computed<LocationQuery>((before) => (before && route.path !== path ? before : route.query))

  const many = (name: string): string[] => [query.value[name]].flat().flatMap((value) => value || [])
  const one = (name: string): string => many(name)[0] ?? ''

  /** What the address is about to say; whoever chooses twice at once means both. */
  let ahead: LocationQuery | null = null

  async function choose(changes: Changes): Promise<void> {
    const wanted = Object.entries({ ...(ahead ?? query.value), ...changes }).filter(([, value]) => value !== '')
    const mine = (ahead = Object.fromEntries(wanted))
    await router.replace({ query: mine })
    if (mine === ahead) ahead = null
  }

  return { one, many, choose }
}
