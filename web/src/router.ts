import { createRouter, createWebHashHistory, type RouteRecordRaw } from 'vue-router'

import { loggedIn, ready } from './stores/session'
import ExploreView from './views/ExploreView.vue'

declare module 'vue-router' {
  interface RouteMeta {
    /** The page is for people who have logged in. */
    login?: boolean
  }
}

const BookingDetail = () => import('./components/bookings/BookingDetail.vue')
const BookingsView = () => import('./views/BookingsView.vue')

/** Each part of a site's desk is a page of its own; the first is that of the site's address. */
const deskParts: RouteRecordRaw[] = [
  { path: '', name: 'desk-facts', component: () => import('./components/desk/FactsDesk.vue') },
  { path: 'photos', name: 'desk-photos', component: () => import('./components/desk/PhotosDesk.vue') },
  { path: 'hours', name: 'desk-hours', component: () => import('./components/desk/HoursDesk.vue') },
  { path: 'closures', name: 'desk-closures', component: () => import('./components/desk/ClosuresDesk.vue') },
  { path: 'menu', name: 'desk-menu', component: () => import('./components/desk/MenuDesk.vue') },
  { path: 'guides', name: 'desk-guides', component: () => import('./components/desk/GuidesDesk.vue') },
  { path: 'rules', name: 'desk-rules', component: () => import('./components/desk/PolicyDesk.vue') },
  { path: 'place', name: 'desk-place', component: () => import('./components/desk/PlaceDesk.vue') },
]

/** The pages of the statistics behind the overview. */
const statistics: RouteRecordRaw[] = [
  {
    path: '/figures/usage',
    name: 'usage',
    component: () => import('./views/figures/UsageView.vue'),
    meta: { login: true },
  },
  {
    path: '/figures/answers',
    name: 'answers',
    component: () => import('./views/figures/AnswersView.vue'),
    meta: { login: true },
  },
  {
    path: '/figures/satisfaction',
    name: 'satisfaction',
    component: () => import('./views/figures/SatisfactionView.vue'),
    meta: { login: true },
  },
  {
    path: '/figures/coverage',
    name: 'coverage',
    component: () => import('./views/figures/CoverageView.vue'),
    meta: { login: true },
  },
  {
    path: '/figures/demand',
    name: 'demand',
    component: () => import('./views/figures/DemandView.vue'),
    meta: { login: true },
  },
  {
    path: '/figures/reach',
    name: 'reach',
    component: () => import('./views/figures/ReachView.vue'),
    meta: { login: true },
  },
  {
    path: '/figures/exports',
    name: 'exports',
    component: () => import('./views/figures/ExportsView.vue'),
    meta: { login: true },
  },
]

export const router = createRouter({
  // Hash addresses need no rewriting rule on the server that hands out the pages.
  history: createWebHashHistory(),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/', name: 'map', component: ExploreView },
    { path: '/sites', name: 'sites', component: ExploreView },
    { path: '/sites/:site', name: 'site', component: ExploreView },
    { path: '/find', name: 'find', component: () => import('./views/FindView.vue') },
    { path: '/go/:site', name: 'go', component: () => import('./views/GoView.vue'), props: true },
    {
      path: '/order/:site',
      name: 'order',
      component: () => import('./views/OrderView.vue'),
      meta: { login: true },
    },
    {
      path: '/order/:site/series',
      name: 'series',
      component: () => import('./views/SeriesView.vue'),
      meta: { login: true },
    },
    {
      path: '/route',
      name: 'route',
      component: () => import('./views/RouteView.vue'),
      meta: { login: true },
    },
    {
      path: '/groups/:group',
      name: 'group',
      component: () => import('./views/GroupView.vue'),
      props: true,
      meta: { login: true },
    },
    {
      path: '/bookings',
      name: 'bookings',
      component: BookingsView,
      props: { scope: 'mine' },
      meta: { login: true },
      children: [{ path: ':booking', name: 'booking', component: BookingDetail, props: true }],
    },
    {
      path: '/waitlist',
      name: 'waitlist',
      component: () => import('./views/WaitlistView.vue'),
      meta: { login: true },
    },
    {
      path: '/reception',
      name: 'reception',
      component: BookingsView,
      props: { scope: 'site' },
      meta: { login: true },
      children: [{ path: ':booking', name: 'received', component: BookingDetail, props: true }],
    },
    {
      path: '/district',
      name: 'district',
      component: BookingsView,
      props: { scope: 'district' },
      meta: { login: true },
      children: [{ path: ':booking', name: 'overseen', component: BookingDetail, props: true }],
    },
    {
      path: '/desk',
      name: 'desk',
      component: () => import('./views/desk/DeskView.vue'),
      meta: { login: true },
    },
    {
      path: '/desk/:site',
      component: () => import('./views/desk/SiteDeskView.vue'),
      props: true,
      meta: { login: true },
      children: deskParts,
    },
    {
      path: '/rules',
      name: 'rules',
      component: () => import('./views/desk/RulesView.vue'),
      meta: { login: true },
    },
    {
      path: '/branches',
      name: 'branches',
      component: () => import('./views/BranchesView.vue'),
      meta: { login: true },
    },
    {
      path: '/claims',
      name: 'claims',
      component: () => import('./views/ClaimsView.vue'),
      meta: { login: true },
    },
    {
      path: '/claims/:claim',
      name: 'claim',
      component: () => import('./views/ClaimView.vue'),
      props: true,
      meta: { login: true },
    },
    {
      path: '/funds',
      name: 'funds',
      component: () => import('./views/FundsView.vue'),
      meta: { login: true },
    },
    {
      path: '/funds/:fund',
      name: 'fund',
      component: () => import('./views/FundView.vue'),
      props: true,
      meta: { login: true },
    },
    {
      path: '/tariff',
      name: 'tariff',
      component: () => import('./views/TariffView.vue'),
      meta: { login: true },
    },
    {
      path: '/inbox',
      name: 'inbox',
      component: () => import('./views/InboxView.vue'),
      meta: { login: true },
    },
    {
      path: '/ways',
      name: 'ways',
      component: () => import('./views/WaysView.vue'),
      meta: { login: true },
    },
    {
      path: '/outbox',
      name: 'outbox',
      component: () => import('./views/OutboxView.vue'),
      meta: { login: true },
    },
    {
      path: '/jobs',
      name: 'jobs',
      component: () => import('./views/JobsView.vue'),
      meta: { login: true },
    },
    {
      path: '/webhooks',
      name: 'webhooks',
      component: () => import('./views/WebhooksView.vue'),
      meta: { login: true },
    },
    {
      path: '/webhooks/:webhook',
      name: 'webhook',
      component: () => import('./views/WebhookView.vue'),
      props: true,
      meta: { login: true },
    },
    {
      path: '/people',
      name: 'people',
      component: () => import('./views/PeopleView.vue'),
      meta: { login: true },
    },
    {
      path: '/people/:user',
      name: 'person',
      component: () => import('./views/PersonView.vue'),
      props: true,
      meta: { login: true },
    },
    { path: '/me', name: 'me', component: () => import('./views/MeView.vue') },
    {
      path: '/calendar',
      name: 'calendar',
      component: () => import('./views/CalendarView.vue'),
      meta: { login: true },
    },
    { path: '/password', name: 'password', component: () => import('./views/PasswordView.vue') },
    { path: '/join', name: 'join', component: () => import('./views/JoinView.vue') },
    {
      path: '/registrations',
      name: 'registrations',
      component: () => import('./views/RegistrationsView.vue'),
      meta: { login: true },
    },
    { path: '/login', name: 'login', component: () => import('./views/LoginView.vue') },
    {
      path: '/figures',
      name: 'figures',
      component: () => import('./views/FiguresView.vue'),
      meta: { login: true },
    },
    ...statistics,
    { path: '/open-figures', name: 'open-figures', component: () => import('./views/OpenFiguresView.vue') },
    { path: '/:anything(.*)*', redirect: { name: 'map' } },
  ],
})

router.beforeEach(async (to) => {
  if (!to.meta.login) return true
  await ready()
  return loggedIn.value ? true : { name: 'login', query: { next: to.fullPath } }
})
