import type { components } from './schema'

type Schemas = components['schemas']

export type Category = Schemas['Category']
export type SiteProperties = Schemas['SiteProperties']
export type SiteFeature = Schemas['SiteFeature']
export type Site = Schemas['SitePublic']
export type Programme = Schemas['ProgrammePublic']
export type Session = Schemas['SessionPublic']
export type Unbookable = Schemas['Unbookable']
export type Town = Schemas['TownPublic']
export type Config = Schemas['Config']
export type Token = Schemas['Token']
export type Me = Schemas['Me']
export type Role = Schemas['Role']
export type Booking = Schemas['BookingPublic']
export type BookingIn = Schemas['BookingIn']
export type BookingEvent = Schemas['EventPublic']
export type Status = Schemas['BookingStatus']
export type Purpose = Schemas['Purpose']
export type Scope = Schemas['Scope']
export type Notice = Schemas['NotificationPublic']
export type Overview = Schemas['OverviewPublic']
export type Sector = Schemas['Sector']
export type Registration = Schemas['RegistrationPublic']
export type RegistrationDetail = Schemas['RegistrationDetail']
export type RegistrationStatus = Schemas['RegistrationStatus']
export type Use = Schemas['UsePublic']

/** A session offered in a refusal; problem members are outside of the schema. */
export type Alternative = Session & { site: { id: string; name: string } }
