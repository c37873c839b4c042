"""What an imported table would make of the tree, and everything that stands against it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from uuid_utils.compat import uuid7

from app.models import Organisation, OrganisationKind
from app.services import tree
from app.services.access import OVERSEERS, Actor, is_below
from app.services.import_lines import Line
from app.services.import_tables import Fault


@dataclass
class Node:
    """A line with the organisation it is, or will be."""

    line: Line
    id: UUID
    was: Organisation | None
    parent_id: UUID | None = None
    path: str | None = None

    def row(self) -> dict[str, object]:
        """Return it as it is to be written."""
        line, was = self.line, self.was
        place = line.place if was is None or "place" in line.said else was.place
        return {
            "id": str(self.id),
            "parent_id": str(self.parent_id) if self.parent_id else None,
            "district_id": str(UUID((self.path or self.id.hex).partition(".")[0])),
            "path": self.path,
            "code": line.code,
            "name": line.name,
            "kind": line.kind,
            "sector": line.sector if was is None or "sector" in line.said else was.sector,
            "member_count": line.member_count
            if was is None or "member_count" in line.said
            else was.member_count,
            "place": place or (line.name if line.kind == OrganisationKind.TOWN else None),
        }

    def is_changed(self) -> bool:
        """Tell whether writing it would change what is there."""
        if self.was is None:
            return False
        new = self.row()
        same = ("name", "sector", "member_count", "place")
        return self.is_moved() or any(new[name] != getattr(self.was, name) for name in same)

    def is_moved(self) -> bool:
        """Tell whether it is there and gets another parent."""
        return self.was is not None and self.was.parent_id != self.parent_id


@dataclass
class Plan:
    """All lines of a table against the tree as it stands."""

    actor: Actor
    lines: list[Line]
    known: dict[str, Organisation]
    nodes: dict[str, Node] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    lost: set[UUID] = field(default_factory=set)
    """Nodes that hang nowhere, so that nothing can be said of what hangs below them."""

    def make(self) -> None:
        """Find for every line what it is, where it will hang, and whether that may be."""
        for line in self.lines:
            if line.code in self.nodes:
                first = self.nodes[line.code].line.row
                said = f"与第 {first} 行的代码重复"
                self.faults.append(line.fault("code", line.code, "duplicate-code", said))
            elif line.code:
                was = self.known.get(line.code)
                self.nodes[line.code] = Node(line, was.id if was else uuid7(), was)
        for node in self.nodes.values():
            self._find_parent(node)
        for node in self._hang():
            said = "上级关系形成了环"
            line = node.line
            self.faults.append(line.fault("parent_code", line.parent_code, "in-a-circle", said))
        for node in self.nodes.values():
            self.faults += filter(None, (self._misfit(node), self._forbidden(node)))

    def _find_parent(self, node: Node) -> None:
        code, line = node.line.parent_code, node.line
        if line.kind == OrganisationKind.DISTRICT and not code:
            self.lost |= {node.id} if node.was is None else set()
            return
        if code in self.nodes:
            node.parent_id = self.nodes[code].id
        elif code in self.known and self._sees(self.known[code]):
            node.parent_id = self.known[code].id
        else:
            wrong = ("unknown-parent", "没有这个上级") if code else ("missing", "不能为空")
            self.faults.append(line.fault("parent_code", code, *wrong))
            self.lost.add(node.id)

    def _hang(self) -> list[Node]:
        """Give every node its path, and return those that hang in a circle."""
        mine = {node.id: node for node in self.nodes.values()}
        parents = dict(_edges(self.known.values())) | {i: n.parent_id for i, n in mine.items()}
        paths: dict[UUID, str | None] = dict.fromkeys(self.lost)
        circles: set[UUID] = set()
        for node in mine.values():
            way: dict[UUID, None] = {}  # in order
            at: UUID | None = node.id
            while at is not None and at not in paths and at not in way:
                way[at] = None
                at = parents.get(at)
            if at in way:
                climbed = list(way)
                circles.update(climbed[climbed.index(at) :])
                paths |= dict.fromkeys(circles)
            path = paths.get(at, "") if at else ""
            for step in reversed(way):
                if step not in circles:
                    path = None if path is None else f"{path}.{step.hex}".lstrip(".")
                    paths[step] = path
        for node_id, node in mine.items():
            node.path = paths[node_id]
        return [mine[node_id] for node_id in circles if node_id in mine]

    def _misfit(self, node: Node) -> Fault | None:
        """Return what is wrong with the place of a node in the tree, whoever puts it there."""
        line, was = node.line, node.was
        if line.kind is None:
            return None
        if was is not None and was.kind != line.kind:
            return line.fault("kind", line.kind, "kind-fixed", f"已登记为 {was.kind}，不能改变")
        if line.kind == OrganisationKind.DISTRICT:
            fits = was is not None and node.parent_id is None
            return None if fits else line.fault("kind", line.kind, "kind-misplaced", "不能导入区委")
        above = self._parent_kind(node)
        if above is not None and not tree.is_nested(line.kind, above):
            said = f"{above} 之下不能设 {line.kind}"
            return line.fault("kind", line.kind, "kind-misplaced", said)
        if node.path is not None and node.path.count(".") >= tree.DEEPEST:
            return line.fault("parent_code", line.parent_code, "tree-too-deep", "层级过深")
        return None

    def _parent_kind(self, node: Node) -> str | None:
        code = node.line.parent_code
        if code in self.nodes:
            return self.nodes[code].line.kind
        return self.known[code].kind if node.parent_id else None

    def _forbidden(self, node: Node) -> Fault | None:
        """Return whether the actor may not do to a node what its line says."""
        line, was = node.line, node.was
        if was is not None and not self._sees(was):
            return line.fault("code", line.code, "out-of-scope", "该代码属于您管理范围之外的党组织")
        if line.kind is None or node.path is None:
            return None
        onto = tree.above(node.path)
        if was is None or node.is_moved():
            ends = [onto, *([tree.above(was.path)] if was else [])]
            if not all(tree.roles_below(self.actor, kind=line.kind, path=end) for end in ends):
                said = "不能在该上级之下新增或移动"
                return line.fault("parent_code", line.parent_code, "out-of-scope", said)
            if was is not None and not is_below(node.path, was.path.partition(".")[0]):
                said = "不能跨区调整"
                return line.fault("parent_code", line.parent_code, "other-district", said)
        elif node.is_changed() and not tree.roles_over(self.actor, kind=was.kind, path=was.path):
            return line.fault("code", line.code, "out-of-scope", "您不能修改该党组织")
        return None

    def _sees(self, organisation: Organisation) -> bool:
        roots = self.actor.paths(*OVERSEERS)
        return any(is_below(organisation.path, root) for root in roots)


def _edges(known: Iterable[Organisation]) -> Iterable[tuple[UUID, UUID | None]]:
    """Yield each organisation on the way up from the known ones, with its parent."""
    for organisation in known:
        above: UUID | None = None
        for label in organisation.path.split("."):
            yield UUID(label), above
            above = UUID(label)
