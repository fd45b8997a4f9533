"""A policy with one action: `dfab reload CONTAINER… [--signal NAME]`."""

from typing import List

from wit_world import exports
from wit_world.imports import planning
from wit_world.imports.types import Parameter, ValueKind

RUNNING = (planning.Life.RUNNING, planning.Life.PAUSED, planning.Life.RESTARTING)


class Policy(exports.Policy):
    def actions(self) -> List[planning.ActionInfo]:
        signal = Parameter(
            name="signal",
            summary="Name or number of the signal",
            kind=ValueKind.TEXT,
            required=False,
            many=False,
            default_value="SIGHUP",
            choices=[],
        )
        return [
            planning.ActionInfo(
                name="reload",
                summary="Tell running containers to read their configuration again",
                walk=planning.Walk.SELECTED,
                compares=False,
                configurations=False,
                options=[signal],
            )
        ]

    def plan(self, request: planning.Request) -> List[planning.Step]:
        signal = dict(request.options).get("signal", "SIGHUP")
        return [
            planning.Step(
                node=index,
                operation=planning.Operation_Signal(signal),
                after=[],
                reason="asked for",
                if_changed=[],
            )
            for index, node in enumerate(request.nodes)
            if node.container is not None and node.observed.life in RUNNING
        ]
