"""All tables; importing this package registers them."""

from app.models import folding
from app.models.account import OFFICES_APART, Account, Grant, RefreshToken, Role
from app.models.audit import DEPLOYMENT, AuditChain, AuditEvent
from app.models.base import MOST_PEOPLE
from app.models.booking import (
    HOLDING,
    OPEN,
    OPEN_NUMBER_TAKEN,
    PATHS,
    Booking,
    BookingEvent,
    BookingProgramme,
    BookingSession,
    BookingStatus,
    Purpose,
)
from app.models.booking_group import BookingGroup, GroupKind
from app.models.boundary import Boundary
from app.models.calendar_feed import CalendarFeed
from app.models.claim import (
    Claim,
    ClaimLine,
    ClaimStatus,
    ExceptionKind,
    ExceptionLook,
    ReturnedLine,
)
from app.models.delivery import ChannelChoice, Delivery, DeliveryStatus, Way
from app.models.dropped_photo import DroppedPhoto
from app.models.export import Export, ExportState
from app.models.fund import (
    ACCOUNTS,
    MIRRORS,
    NOT_OVERDRAWN,
    EntryKind,
    Fund,
    FundAccount,
    FundBalance,
    LedgerEntry,
    Reversal,
    ReversalStatus,
    WhenExhausted,
)
from app.models.guide import GUIDE_NO_OVERLAP, Guide, GuideDuty
from app.models.holiday import Holiday
from app.models.idempotency import IdempotencyKey
from app.models.identity import Identity, OidcLogin, Provider
from app.models.job_row import JobBeat, JobRow
from app.models.job_run import JobRun
from app.models.location_report import LocationReport, ReportStatus
from app.models.made_ahead import MadeAhead
from app.models.notification import Notification
from app.models.one_time_code import OneTimeCode
from app.models.organisation import Organisation, OrganisationKind, Sector
from app.models.policy import MOST_LEAD_DAYS, MOST_OPEN_BOOKINGS, ApprovalMode, Policy
from app.models.posting import STEP_ONCE
from app.models.provider_token import ProviderToken
from app.models.public_figure import PublicFigure
from app.models.reconciliation_report import ReconciliationReport
from app.models.refused_order import RefusedOrder, Shortage
from app.models.registration import Registration, RegistrationStatus
from app.models.site import Category, Crs, Site, SiteKind, SiteStatus
from app.models.site_card import SiteCard, SiteCardStale
from app.models.site_photo import SitePhoto
from app.models.site_words import SiteWords
from app.models.standing import Strike, StrikeKind, Suspension
from app.models.subsidy import (
    RULE_DATES_IN_ORDER,
    RULE_VERSION_ONCE,
    Subsidy,
    SubsidyRule,
    SubsidyStatus,
)
from app.models.throttle import LoginThrottle, RateCounter
from app.models.unmet_search import UnmetSearch
from app.models.usage import (
    COUNTED,
    EVERY_HOME,
    Counted,
    Grain,
    UsageCell,
    UsageDays,
    UsageFact,
    UsageMark,
)
from app.models.venue import Closure, OnHoliday, OpeningRule, Programme, ProgrammeKind, Venue
from app.models.venue_session import GROUPS_FIT, NO_OVERLAP, PEOPLE_FIT, VenueSession
from app.models.visit import Means, Review, Visit
from app.models.waitlist import (
    IN_LINE,
    WAITS_ONCE,
    WaitlistEntry,
    WaitlistProgramme,
    WaitlistStatus,
)
from app.models.webhook import DeliveryState, EventType, Webhook, WebhookAttempt, WebhookDelivery
from app.models.wechat_grant import MOST_GRANTS, WechatGrant

__all__ = [
    "ACCOUNTS",
    "COUNTED",
    "DEPLOYMENT",
    "EVERY_HOME",
    "GROUPS_FIT",
    "GUIDE_NO_OVERLAP",
    "HOLDING",
    "IN_LINE",
    "MIRRORS",
    "MOST_GRANTS",
    "MOST_LEAD_DAYS",
    "MOST_OPEN_BOOKINGS",
    "MOST_PEOPLE",
    "NOT_OVERDRAWN",
    "NO_OVERLAP",
    "OFFICES_APART",
    "OPEN",
    "OPEN_NUMBER_TAKEN",
    "PATHS",
    "PEOPLE_FIT",
    "RULE_DATES_IN_ORDER",
    "RULE_VERSION_ONCE",
    "STEP_ONCE",
    "WAITS_ONCE",
    "Account",
    "ApprovalMode",
    "AuditChain",
    "AuditEvent",
    "Booking",
    "BookingEvent",
    "BookingGroup",
    "BookingProgramme",
    "BookingSession",
    "BookingStatus",
    "Boundary",
    "CalendarFeed",
    "Category",
    "ChannelChoice",
    "Claim",
    "ClaimLine",
    "ClaimStatus",
    "Closure",
    "Counted",
    "Crs",
    "Delivery",
    "DeliveryState",
    "DeliveryStatus",
    "DroppedPhoto",
    "EntryKind",
    "EventType",
    "ExceptionKind",
    "ExceptionLook",
    "Export",
    "ExportState",
    "Fund",
    "FundAccount",
    "FundBalance",
    "Grain",
    "Grant",
    "GroupKind",
    "Guide",
    "GuideDuty",
    "Holiday",
    "IdempotencyKey",
    "Identity",
    "JobBeat",
    "JobRow",
    "JobRun",
    "LedgerEntry",
    "LocationReport",
    "LoginThrottle",
    "MadeAhead",
    "Means",
    "Notification",
    "OidcLogin",
    "OnHoliday",
    "OneTimeCode",
    "OpeningRule",
    "Organisation",
    "OrganisationKind",
    "Policy",
    "Programme",
    "ProgrammeKind",
    "Provider",
    "ProviderToken",
    "PublicFigure",
    "Purpose",
    "RateCounter",
    "ReconciliationReport",
    "RefreshToken",
    "RefusedOrder",
    "Registration",
    "RegistrationStatus",
    "ReportStatus",
    "ReturnedLine",
    "Reversal",
    "ReversalStatus",
    "Review",
    "Role",
    "Sector",
    "Shortage",
    "Site",
    "SiteCard",
    "SiteCardStale",
    "SiteKind",
    "SitePhoto",
    "SiteStatus",
    "SiteWords",
    "Strike",
    "StrikeKind",
    "Subsidy",
    "SubsidyRule",
    "SubsidyStatus",
    "Suspension",
    "UnmetSearch",
    "UsageCell",
    "UsageDays",
    "UsageFact",
    "UsageMark",
    "Venue",
    "VenueSession",
    "Visit",
    "WaitlistEntry",
    "WaitlistProgramme",
    "WaitlistStatus",
    "Way",
    "Webhook",
    "WebhookAttempt",
    "WebhookDelivery",
    "WechatGrant",
    "WhenExhausted",
    "folding",
]
