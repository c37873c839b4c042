import type { Word } from './words'

const MOST_KEYS = 3
const FIRST: Word = ['分组', 'Group by']
const LATER: Word = ['再按', 'Then by']

export interface KeyChoice {
  label: Word
  chosen: string
  options: [code: string, name: string][]
  /** All keys once this one is another. */
  after: (code: string) => string[]
}

/** A choice for each thing that is told apart by, and one more while there may be: `most` at last. */
export function keyChoices<By extends string>(words: Record<By, Word>, bys: By[], most = MOST_KEYS): KeyChoice[] {
  const codes = Object.keys(words) as By[]
  return [...bys, ''].slice(0, most).map((chosen, nth) => {
    const free = codes.filter((code) => code === chosen || !bys.includes(code))
    return {
      label: nth === 0 ? FIRST : LATER,
      chosen,
      options: [['', '不分组'], ...free.map((code): [string, string] => [code, words[code][0]])],
      after: (code) => [...bys.slice(0, nth), code, ...bys.slice(nth + 1)].filter(Boolean),
    }
  })
}
