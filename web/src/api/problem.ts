import type { Alternative, GroupItem } from './types'

/** One field that the server could not accept; `pointer` is an RFC 6901 path into the body. */
export interface FieldError {
  pointer: string
  detail: string
}

/** An `application/problem+json` answer (RFC 9457), as far as these pages read it. */
interface ProblemBody {
  title?: string
  detail?: string
  code?: string
  errors?: FieldError[]
  alternatives?: Alternative[]
  items?: GroupItem[]
  retry_after_seconds?: number
  channel?: string
}

/** Whatever kept a call from its answer, in words that can be shown to a person. */
export class Problem extends Error {
  /** HTTP status; 0 when no answer came at all. */
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly errors: FieldError[]
  readonly alternatives: Alternative[]
  /** What became of each part of something that was refused as a whole. */
  readonly items: GroupItem[]
  /** How long a person who failed too often has to wait. */
  readonly waitMinutes: number
  /** The way of messages whose address is unfit. */
  readonly channel: string

  constructor(status: number, body: ProblemBody = {}) {
    super(body.title ?? 'problem')
    this.status = status
    this.code = body.code ?? ''
    this.title = body.title ?? wording(status)
    this.detail = body.detail ?? ''
    this.errors = body.errors ?? []
    this.alternatives = body.alternatives ?? []
    this.items = body.items ?? []
    this.channel = body.channel ?? ''
    this.waitMinutes = Math.ceil((body.retry_after_seconds ?? 0) / 60)
  }

  /** What to show where there is one line only: the detail says more than the title. */
  get line(): string {
    return this.detail || this.title
  }
}

function wording(status: number): string {
  if (status === 0) return '网络不通，请检查后重试'
  if (status === 401) return '请先登录'
  if (status === 403) return '您没有这项权限'
  if (status === 404) return '找不到这项内容'
  if (status === 429) return '操作太频繁，请稍后再试'
  return '服务暂时不可用，请稍后再试'
}

export function asProblem(thrown: unknown): Problem {
  return thrown instanceof Problem ? thrown : new Problem(0)
}
