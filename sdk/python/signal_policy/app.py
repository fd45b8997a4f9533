"""A policy with one action: `dfab kill CONTAINER… [--signal NAME]`."""

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
            default_value="SIGKILL",
            choices=[],
        )
        return [
            planning.ActionInfo(
                name="kill",
                summary="Send a signal to running containers",
                walk=planning.Walk.SELECTED,
                options=[signal],
            )
        ]

    def plan(self, request: planning.Request) -> List[planning.Step]:
        signal = dict(request.options).get("signal", "SIGKILL")
        return [
            planning.Step(
                node=index,
                operation=planning.Operation_Signal(signal),
                after=[],
                reason="asked for",
            )
            for index, node in enumerate(request.nodes)
            if node.container is not None and node.observed.life in RUNNING
        ]
