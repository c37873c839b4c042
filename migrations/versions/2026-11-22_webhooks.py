"""webhooks"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c4e8a2f6d1b7"
down_revision = "b5d2e8c4a6f1"

TEXT = sqlmodel.sql.sqltypes.AutoString
OWE = """\
CREATE FUNCTION webhook_owe(
    district uuid, noun text, what text, subject uuid, step integer, since timestamptz, told jsonb
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_delivery (
        id, webhook_id, type, subject_id, sequence, occurred_at, facts, due_at)
    SELECT uuid7(), w.id, noun || '.' || what, subject, step, since, told, since
    FROM webhook w
    WHERE w.district_id = district AND w.stopped_at IS NULL
    AND w.events && ARRAY[noun || '.*', noun || '.' || what]
    FOR KEY SHARE SKIP LOCKED; -- what is being deleted is owed nothing, and nobody waits for it
END
$$"""
BOOKING_STEP = """\
CREATE FUNCTION webhook_booking() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    b booking;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook WHERE stopped_at IS NULL) THEN
        RETURN NULL;
    END IF;
    SELECT * INTO b FROM booking WHERE id = NEW.booking_id;
    PERFORM webhook_owe(
        b.district_id, 'booking',
        CASE WHEN NEW.from_status IS NULL THEN 'created'
            WHEN NEW.from_status = NEW.to_status THEN 'changed' ELSE NEW.to_status END,
        b.id, NEW.version, NEW.at, jsonb_build_object(
            'booking_id', b.id, 'number', b.number, 'status', NEW.to_status,
            'from_status', NEW.from_status, 'district_id', b.district_id, 'site_id', b.site_id,
            'venue_id', b.venue_id, 'organisation_id', b.organisation_id, 'group_id', b.group_id,
            'starts_at', b.starts_at, 'ends_at', b.ends_at,
            'people_expected', b.people_expected, 'purpose', b.purpose));
    RETURN NULL;
END
$$"""
CLAIM_STEP = """\
CREATE FUNCTION webhook_claim() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text := CASE TG_OP WHEN 'UPDATE' THEN OLD.status END;
BEGIN
    IF NOT EXISTS (SELECT FROM webhook WHERE stopped_at IS NULL) THEN
        RETURN NULL;
    END IF;
    PERFORM webhook_owe(
        s.district_id, 'claim',
        CASE WHEN was IS NULL THEN 'created' WHEN was = NEW.status THEN 'changed'
            ELSE NEW.status END,
        NEW.id, NEW.version, now(), jsonb_build_object(
            'claim_id', NEW.id, 'status', NEW.status, 'from_status', was,
            'district_id', s.district_id, 'site_id', s.id, 'fund_id', NEW.fund_id,
            'month', to_char(NEW.month, 'YYYY-MM'), 'amount_fen', NEW.amount_fen))
    FROM site s WHERE s.id = NEW.site_id;
    RETURN NULL;
END
$$"""
TRIGGERS = (
    "CREATE TRIGGER booking_event_webhook AFTER INSERT ON booking_event"
    " FOR EACH ROW EXECUTE FUNCTION webhook_booking()",
    "CREATE TRIGGER claim_webhook_made AFTER INSERT ON claim"
    " FOR EACH ROW EXECUTE FUNCTION webhook_claim()",
    "CREATE TRIGGER claim_webhook_moved AFTER UPDATE ON claim"
    " FOR EACH ROW WHEN (NEW.version > OLD.version) EXECUTE FUNCTION webhook_claim()",
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "webhook",
        *_row(),
        sa.Column("district_id", sa.Uuid(), nullable=False),
        sa.Column("url", TEXT(length=500), nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.TEXT()), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_reason", TEXT(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["district_id"], ["organisation.id"], name=op.f("webhook_district_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["account.id"], name=op.f("webhook_created_by_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_pkey")),
    )
    op.create_index("webhook_district_id_idx", "webhook", ["district_id"])
    op.create_index("webhook_created_by_idx", "webhook", ["created_by"])
    _deliveries()
    for function in (OWE, BOOKING_STEP, CLAIM_STEP):
        op.execute(function)
    for trigger in TRIGGERS:
        op.execute(trigger)
    op.execute(
        "CREATE CONSTRAINT TRIGGER webhook_audit AFTER INSERT OR UPDATE OR DELETE ON webhook"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
        " EXECUTE FUNCTION audit_change('secret_sealed', '')"
    )


def _row() -> list[sa.Column]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    ]


def _deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        *_row(),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.Column("type", TEXT(), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.Column("state", TEXT(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", TEXT(length=200), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'leased', 'delivered', 'failed', 'stopped')",
            name=op.f("webhook_delivery_state_known_check"),
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhook.id"],
            name=op.f("webhook_delivery_webhook_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_delivery_pkey")),
        sa.UniqueConstraint(
            "webhook_id", "subject_id", "sequence", name="webhook_delivery_step_once"
        ),
    )
    op.create_index(
        "webhook_delivery_owed_idx",
        "webhook_delivery",
        ["webhook_id", "due_at"],
        postgresql_where=sa.text("state IN ('waiting', 'leased')"),
    )
    op.create_index("webhook_delivery_webhook_id_id_idx", "webhook_delivery", ["webhook_id", "id"])
    op.create_table(
        "webhook_attempt",
        *_row(),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", TEXT(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_delivery.id"],
            name=op.f("webhook_attempt_delivery_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("webhook_attempt_pkey")),
    )
    op.create_index("webhook_attempt_delivery_id_idx", "webhook_attempt", ["delivery_id"])


def downgrade() -> None:
    op.execute("DROP TRIGGER booking_event_webhook ON booking_event")
    op.execute("DROP TRIGGER claim_webhook_made ON claim")
    op.execute("DROP TRIGGER claim_webhook_moved ON claim")
    for function in ("webhook_booking", "webhook_claim", "webhook_owe"):
        op.execute(f"DROP FUNCTION {function}")
    for table in ("webhook_attempt", "webhook_delivery", "webhook"):
        op.drop_table(table)
