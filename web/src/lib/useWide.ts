import { ref, type Ref } from 'vue'

const query = window.matchMedia('(min-width: 900px)')
const wide = ref(query.matches)
query.addEventListener('change', (event) => {
  wide.value = event.matches
})

/** True where there is room for two panes; the same breakpoint as in the stylesheets. */
export function useWide(): Readonly<Ref<boolean>> {
  return wide
}
