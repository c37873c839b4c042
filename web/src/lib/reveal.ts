/** Scroll to something, gently where the reader has not asked for stillness. */
export function reveal(element: HTMLElement | undefined, block: ScrollLogicalPosition): void {
  const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches
  element?.scrollIntoView({ behavior: still ? 'auto' : 'smooth', block })
}
