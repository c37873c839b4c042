import { createRouter, createWebHashHistory } from 'vue-router'

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

export const router = createRouter({
  // Hash addresses need no rewriting rule on the server that hands out the pages.
  history: createWebHashHistory(),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/', name: 'map', component: ExploreView },
    { path: '/sites', name: 'sites', component: ExploreView },
    { path: '/sites/:site', name: 'site', component: ExploreView },
    {
      path: '/order/:site',
      name: 'order',
      component: () => import('./views/OrderView.vue'),
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
      path: '/inbox',
      name: 'inbox',
      component: () => import('./views/InboxView.vue'),
      meta: { login: true },
    },
    { path: '/me', name: 'me', component: () => import('./views/MeView.vue') },
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
    { path: '/:anything(.*)*', redirect: { name: 'map' } },
  ],
})

router.beforeEach(async (to) => {
  if (!to.meta.login) return true
  await ready()
  return loggedIn.value ? true : { name: 'login', query: { next: to.fullPath } }
})
