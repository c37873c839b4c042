import type {
  Category,
  ClaimStatus,
  Crs,
  ExceptionKind,
  Flag,
  GroupKind,
  OnHoliday,
  PolicyState,
  Purpose,
  RegistrationStatus,
  Role,
  Sector,
  SiteKind,
  SiteStatus,
  Status,
  StrikeKind,
  Unbookable,
  WaitlistStatus,
} from '@/api/types'

/* What the codes of the contract are called on the pages. */

export const CATEGORIES: Record<Category, { name: string; glyph: string }> = {
  rural: { name: '农村党建', glyph: '农' },
  urban: { name: '城市党建', glyph: '城' },
  two_new: { name: '“两新”党建', glyph: '新' },
  general: { name: '党建综合', glyph: '综' },
}
export const CATEGORY_CODES = Object.keys(CATEGORIES) as Category[]

export const KINDS: Record<SiteKind, string> = {
  education_base: '教育基地',
  demonstration_site: '示范阵地',
  party_school_point: '党校教学点',
  service_centre: '党群服务中心',
  checkup_centre: '政治体检中心',
  training_base: '实训基地',
}
export const kindName = (code: SiteKind): string => KINDS[code]

export const SITE_STATUSES: Record<SiteStatus, string> = {
  draft: '草稿，尚未发布',
  published: '已发布',
  suspended: '暂停开放',
  closed: '已关闭',
}

export const PROGRAMME_KINDS: Record<string, string> = {
  visit: '参观',
  guided_tour: '讲解',
  oath: '重温誓词',
  lecture: '党课',
  training_case: '实训案例',
  meeting: '会议',
  volunteering: '志愿服务',
}
export const programmeKind = (code: string): string => PROGRAMME_KINDS[code] ?? code

export const PURPOSES: Record<Purpose, string> = {
  theme_party_day: '主题党日',
  party_lecture: '党课',
  members_meeting: '支部党员大会',
  committee_meeting: '支部委员会会议',
  group_meeting: '党小组会',
  organisation_life_meeting: '组织生活会',
  democratic_appraisal: '民主评议党员',
  volunteering: '志愿服务',
  training: '教育培训',
  visit: '参观学习',
}

export const STATUSES: Record<Status, string> = {
  pending: '待接单',
  approved: '已接单',
  rejected: '已拒单',
  expired: '已超时',
  cancelled: '已取消',
  arrived: '已到场',
  completed: '已完成',
  no_show: '爽约',
}

export const GROUP_KINDS: Record<GroupKind, string> = {
  route: '线路',
  series: '系列',
}

export const WAITLIST_STATUSES: Record<WaitlistStatus, string> = {
  waiting: '候补中',
  offered: '待确认',
  confirmed: '已确认',
  expired: '已过期',
  withdrawn: '已撤回',
  lapsed: '未候到',
}

/** Steps that keep or reopen an order; any other reason is what somebody wrote. */
export const STEPS: Record<string, string> = {
  changed: '改约',
  described: '修改说明',
  escalated: '超时未答复，已上报',
}

/** The moves that have a button, in the order of the buttons. */
export const MOVES = {
  approve: '接单',
  arrive: '确认到场',
  complete: '确认完成',
  reject: '拒单',
  'no-show': '标记爽约',
  change: '改约',
  cancel: '取消预约',
}
export type Move = keyof typeof MOVES

export const UNBOOKABLE: Record<Unbookable, string> = {
  past: '已经开始',
  closed: '临时闭馆',
  too_soon: '提前天数不足',
  beyond_horizon: '还没到开放预约的日子',
  too_many_people: '坐不下',
  full: '已约满',
}

export const ROLES: Record<Role, string> = {
  member: '党员',
  organiser: '支部管理员',
  site_manager: '阵地管理员',
  town_staff: '镇街党（工）委',
  district_staff: '区委组织部',
  fund_officer: '经费岗',
  fund_approver: '经费审批',
  auditor: '审计只读',
  system_admin: '系统管理员',
  security_admin: '安全管理员',
}

export const SECTORS: Record<Sector, string> = {
  rural: '农村',
  urban: '城市社区',
  two_new: '“两新”组织',
  government: '机关',
  education: '教育',
  health: '卫健',
  state_owned: '国企',
}

export const REGISTRATIONS: Record<RegistrationStatus, string> = {
  pending: '待审核',
  approved: '已通过',
  rejected: '未通过',
}

/** What a site lacks. */
export const FLAGS: Record<Flag, string> = {
  no_photo: '无照片',
  location_unverified: '位置未核实',
  phone_unconfirmed: '电话未确认',
  location_disputed: '位置有反馈',
}

export const CRSES: Record<Crs, string> = {
  wgs84: 'WGS-84（手机定位、GPS）',
  gcj02: 'GCJ-02（高德、腾讯）',
  bd09: 'BD-09（百度）',
}

export const ON_HOLIDAY: Record<OnHoliday, string> = {
  closed: '不开放',
  open: '照常开放',
  as_sunday: '按周日安排',
}

export const POLICY_STATES: Record<PolicyState, string> = {
  in_force: '执行中',
  planned: '待生效',
  replaced: '已被新版本替代',
  withdrawn: '已撤销',
}

export const STRIKE_KINDS: Record<StrikeKind, string> = {
  late_cancel: '逾期取消',
  no_show: '爽约',
}

export const CLAIM_STATUSES: Record<ClaimStatus, string> = {
  draft: '草稿',
  submitted: '已提交',
  reviewed: '已审核',
  approved: '已批准',
  paid: '已支付',
  returned: '已退回',
}

/** The moves of a claim that have a button, in the order of the buttons. */
export const CLAIM_MOVES = {
  submit: '提交补单',
  review: '审核通过',
  approve: '批准',
  pay: '登记支付',
  'return-lines': '退回部分明细',
  return: '整单退回',
}
export type ClaimMove = keyof typeof CLAIM_MOVES

/** What does not match about a visit. */
export const EXCEPTIONS: Record<ExceptionKind, string> = {
  attended_above_expected: '实到人数多于预约人数',
  unconfirmed_by_branch: '支部尚未评价确认',
  at_two_sites: '该支部同一时间在两处阵地',
  just_under_threshold: '金额略低于重点核查标准',
  reserved_too_long: '活动结束 30 天后补助仍在预留',
  ticketed_site: '阵地为收费景区，请核实费用',
}
