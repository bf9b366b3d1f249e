"""Fake APIs, one for each other vendor's client.

They are as fast as `VidgoApi` and their bodies about as long, so that only the clients differ.
"""

import itertools
import json
from collections import Counter

import attrs

CREATED_AT = "2026-01-02T03:04:05.000Z"


@attrs.define(eq=False)
class _Tasks:
    """Tasks that finish at their nth poll."""

    polls_to_finish: int
    _ids: "itertools.count[int]" = attrs.field(init=False, factory=itertools.count)
    _polls: Counter[str] = attrs.field(init=False, factory=Counter[str])

    def _new_id(self) -> str:
        return f"task-{next(self._ids):010d}-fake0000"

    def _is_finished(self, task_id: str) -> bool:
        """Count a poll, and return whether the task is finished now."""
        self._polls[task_id] += 1
        if self._polls[task_id] < self.polls_to_finish:
            return False
        del self._polls[task_id]
        return True


def _video(task_id: str) -> str:
    return f"https://storage.example/{task_id}.mp4"


class ReplicateApi(_Tasks):
    """Predictions of Replicate."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Accept a prediction, or return the state of one."""
        if method == "POST":
            return self._prediction(self._new_id(), "starting", None)
        task_id = path.rpartition("/")[2]
        if self._is_finished(task_id):
            return self._prediction(task_id, "succeeded", _video(task_id))
        return self._prediction(task_id, "processing", None)

    def _prediction(self, task_id: str, status: str, output: str | None) -> bytes:
        prediction = {
            "id": task_id,
            "model": "fake/video",
            "version": "fake",
            "status": status,
            "input": {"prompt": "fox"},
            "output": output,
            "error": None,
            "created_at": CREATED_AT,
        }
        return json.dumps(prediction).encode()


class FalApi(_Tasks):
    """The queue of fal. The answer to a submit contains the other URLs, and so the server's own."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:
        """Queue a request, or return the state or the result of one."""
        if method == "POST":
            task_id = self._new_id()
            url = f"{json.loads(body)['server']}/fake/video/requests/{task_id}"
            return json.dumps(
                {
                    "request_id": task_id,
                    "response_url": url,
                    "status_url": f"{url}/status",
                    "cancel_url": f"{url}/cancel",
                }
            ).encode()
        task_id, _, status = path.partition("?")[0].partition("/requests/")[2].partition("/")
        if not status:
            video = {"url": _video(task_id), "content_type": "video/mp4", "file_name": "video.mp4"}
            return json.dumps({"video": video}).encode()
        return self._status(task_id, "COMPLETED" if self._is_finished(task_id) else "IN_PROGRESS")

    def _status(self, task_id: str, status: str) -> bytes:
        url = f"https://queue.example/fake/video/requests/{task_id}"
        state = {"status": status, "request_id": task_id, "response_url": url, "logs": None}
        return json.dumps(state | {"metrics": {}}).encode()


class RunwayApi(_Tasks):
    """Tasks of Runway."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Accept a task, or return the state of one."""
        if method == "POST":
            accepted = {"id": self._new_id(), "estimatedCost": {"credits": 5.0}}
            return json.dumps(accepted).encode()
        task = {"id": path.rpartition("/")[2], "createdAt": CREATED_AT}
        if self._is_finished(task["id"]):
            end = {"status": "SUCCEEDED", "output": [_video(task["id"])], "cost": {"credits": 5}}
            return json.dumps(task | end).encode()
        progress = {"status": "RUNNING", "progress": 0.5, "estimatedCost": {"credits": 5.0}}
        return json.dumps(task | progress).encode()


class GoogleApi(_Tasks):
    """Long-running operations of Google, where a poll is a POST too."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Start an operation, or return the state of one."""
        model, _, call = path.rpartition(":")
        if call.startswith("predictLongRunning"):
            name = f"{model.rpartition('/v1beta1/')[2]}/operations/{self._new_id()}"
            return json.dumps({"name": name}).encode()
        name = json.loads(body)["operationName"]
        if not self._is_finished(name):
            return json.dumps({"name": name, "metadata": {"createTime": CREATED_AT}}).encode()
        video = {"gcsUri": _video(name.rpartition("/")[2]), "mimeType": "video/mp4"}
        return json.dumps({"name": name, "done": True, "response": {"videos": [video]}}).encode()


class ElevenLabsApi(_Tasks):
    """Video generations of ElevenLabs."""

    def answer(self, method: str, path: str, body: bytes) -> bytes:  # noqa: ARG002 - the protocol's
        """Accept a generation, or return the state of one."""
        if method == "POST":
            return self._generation(self._new_id(), "pending")
        task_id = path.rpartition("/")[2]
        if self._is_finished(task_id):
            url, mime_type = _video(task_id), "video/mp4"
            return self._generation(
                task_id, "completed", content_url=url, content_mime_type=mime_type
            )
        return self._generation(task_id, "generating")

    def _generation(self, task_id: str, status: str, **end: str) -> bytes:
        generation = {"id": task_id, "status": status, "model_id": "fake", "created_at": CREATED_AT}
        return json.dumps(generation | end).encode()
