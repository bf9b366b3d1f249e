"""`VidgoSession`: the object that users hold. Each method checks its arguments and calls the other wings."""

import asyncio
import os
from collections.abc import Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from vidgo_async._api.transport import Connector, check_connector
from vidgo_async._core.callback_url import check_callback_url
from vidgo_async._core.concurrency import Closing, check_asyncio, mark_retrieved, wait_shielded
from vidgo_async._core.errors import (
    SessionClosedError,
    SubmissionUnknownError,
    TaskFailedError,
    VidgoError,
)
from vidgo_async._core.models import Balance, MediaFile, Request, Task, UploadedFile
from vidgo_async._core.retry import RetryPolicy
from vidgo_async._core.validators import check_count
from vidgo_async._files.downloads import Folder
from vidgo_async._files.resumable import OnProgress
from vidgo_async._generation.batch import Batch
from vidgo_async._generation.engine import Engine
from vidgo_async._generation.records import RequestLog, RequestRecord
from vidgo_async._generation.request_source import Requests
from vidgo_async._generation.runner import BatchOptions, NameOf
from vidgo_async._generation.single import Single
from vidgo_async._generation.submit_many import SubmitMany
from vidgo_async._polling.completions import Completions, OnUpdate, wait_for_end
from vidgo_async._polling.policies import PollingPolicy
from vidgo_async._session.arguments import (
    as_callback,
    as_folder,
    as_path,
    as_task,
    check_callback,
    check_file,
    check_requests,
    check_tasks,
    check_timeout,
    list_requests,
)
from vidgo_async._session.runtime import CANCELLED, CLOSED, Runtime
from vidgo_async._session.settings import Settings, callback_address
from vidgo_async.journal.journal import Journal
from vidgo_async.journal.run import JournalOrPath, Run
from vidgo_async.requests import PreparedRequest, check_request
from vidgo_async.webhooks.receiver import WebhookReceiver

_Value = TypeVar("_Value")


class VidgoSession:
    """A client of the Vidgo API: submits, polls and fetches, many at a time.

    Open it with `async with`, share it between all tasks of one event loop, and keep it for as
    long as you generate: its connections, its rate and its poller are shared by all calls.

    Example:
        async with VidgoSession() as vidgo:
            task = await vidgo.generate(GrokImagine(prompt="a fox in snow"))
            await vidgo.download(task.files[0], "fox.mp4")
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        callback_url: str | None = None,
        webhooks: WebhookReceiver | None = None,
        max_concurrent_requests: int = 64,
        max_concurrent_submits: int = 16,
        max_requests_per_second: float | None = None,
        max_submits_per_second: float | None = None,
        polling: PollingPolicy | None = None,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        request_timeout: float = 30.0,
        download_timeout: float | None = None,
        connector: Connector | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
    ) -> None:
        """Check the settings; nothing is opened yet.

        Args:
            api_key: The key; `VIDGO_API_KEY` of the environment by default.
            base_url: The API's address; `VIDGO_BASE_URL`, or else https://api.vidgo.ai.
            callback_url: Where the server reports the end of each task, http(s), at most
                2,048 characters; `submit` can name another.
            webhooks: What takes those reports in this process; its token is added to
                `callback_url`. While callbacks come, tasks are polled hardly more than once.
            max_concurrent_requests: API requests in flight at once. Polls use at most 75 % of
                them. Submits have priority; a poll that waited 0.5 s takes turns with them.
            max_concurrent_submits: Submits among them, so the most whose outcome is unknown when
                a line breaks.
            max_requests_per_second: A cap on the rate, for those who know their limit.
            max_submits_per_second: The same for submits alone, beside it.
            polling: When to poll a task again; `FixedPolling` with the seconds of
                `VIDGO_POLL_INTERVAL`, or else `AdaptivePolling()`.
            retry: How long, and how far apart, to try again what bought nothing.
            request_timeout: Seconds for one exchange with the API; a poll gets at most 10, and
                less where responses come fast.
            download_timeout: Seconds for one download, from when it has a connection; None for
                no limit: it ends when no new byte came for `RetryPolicy.timeout`.
            connector: An aiohttp connector to borrow (pool, TLS, DNS); it is not closed.
            proxy: An HTTP proxy's URL, for all hosts, whatever `NO_PROXY` says.
            trust_env: Whether the proxy variables of the environment apply, `NO_PROXY` included.

        Raises:
            ValueError: A value is not allowed; the message says what is.
            TypeError: A value is of the wrong type.
        """
        self._settings = Settings(
            api_key=api_key,
            base_url=base_url,
            callback_url=callback_address(callback_url, webhooks),
            webhooks=webhooks,
            max_concurrent_requests=max_concurrent_requests,
            max_concurrent_submits=max_concurrent_submits,
            max_requests_per_second=max_requests_per_second,
            max_submits_per_second=max_submits_per_second,
            polling=polling,
            retry=retry,
            request_timeout=request_timeout,
            download_timeout=download_timeout,
            proxy=proxy,
            trust_env=trust_env,
        )
        check_connector(connector, max_concurrent_requests)
        self._connector = connector
        self._runtime: Runtime | None = None
        self._closed = False
        self._closing: Closing | None = None
        self._unclaimed: list[Task | SubmissionUnknownError] = []

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self._runtime else "not open"
        return f"<VidgoSession {self._settings.base_url}, {state}>"

    @property
    def base_url(self) -> str:
        """The API's address."""
        return self._settings.base_url

    # --- Opening and closing ----------------------------------------------------------------

    async def __aenter__(self) -> Self:
        check_asyncio()
        if self._closed:
            msg = "this session was closed; make a new one"
            raise SessionClosedError(msg)
        if self._runtime is not None:
            msg = "this session is open already; share it instead of entering it again"
            raise RuntimeError(msg)
        self._runtime = Runtime(self._settings, self._connector, self._unclaimed)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the session; it may be called more than once, and from any task.

        All waiters get a `SessionClosedError`. POSTs in flight are given 5 seconds and are then
        recorded as unknown. Cancelling this call does not make it faster.
        """
        if self._runtime is None or (self._closing is not None and self._closing.is_over):
            self._closed = True
            return
        self._runtime.poller.check_loop()
        self._closed = True
        self._closing = self._closing or Closing(self._runtime.close)
        if self._runtime.owns(asyncio.current_task()):  # closing waits for those
            _ = self._closing.begin()
        else:
            await self._closing.wait()

    @property
    def unclaimed(self) -> tuple[Task | SubmissionUnknownError, ...]:
        """What was bought, or may have been, and no caller was given; also after closing."""
        paused = self._runtime.unclaimed if self._runtime is not None else ()
        return (*self._unclaimed, *paused)

    # --- Buying -----------------------------------------------------------------------------

    async def submit(self, request: Request, *, callback_url: str | None = None) -> Task:
        """Buy one task, and return it without waiting for its end.

        It is sent again only where the server has certainly not taken it. Media that has no URL
        yet is uploaded first, once for each file and session; if that fails, nothing is bought
        and its error is raised, as in `upload`.

        Args:
            request: What to generate.
            callback_url: Where the server reports the end; the session's by default.

        Raises:
            APIError: The server refuses; nothing was bought.
            SubmissionUnknownError: A task may exist; it was not sent again.
            TransportError: The server could not be reached; nothing was bought.
            TypeError: `request` is not a request.
            ValueError: `callback_url` is not one the API takes.
        """
        runtime = self._open()
        check_request(request)
        url = self._settings.callback_url
        if callback_url is not None:
            url = check_callback_url(callback_url)
        prepared = PreparedRequest(request)
        links = await runtime.submitter.upload_media(prepared)
        return await runtime.submitter.submit(prepared, links, url)

    async def submit_many(self, requests: Iterable[Request]) -> list[Task]:
        """Buy a task for each request, concurrently; return them in the requests' order.

        Every POST has ended before this returns or raises. After a 401 or a 402 nothing more
        is sent, and the remaining requests fail with a copy of that error.

        Example:
            try:
                tasks = await vidgo.submit_many(requests)
            except SubmitErrorGroup as group:
                tasks = list(group.accepted.values())

        Raises:
            SubmitErrorGroup: Some failed; it holds the accepted tasks too.
        """
        runtime = self._open()
        listed = list_requests(requests)
        settings = self._settings
        submits = SubmitMany(runtime.submitter, settings.callback_url, settings.submits_at_once)
        return await submits.run(listed)

    async def generate(
        self,
        request: Request,
        *,
        timeout: float | None = 900.0,
        on_update: OnUpdate | None = None,
        journal: RequestLog | None = None,
        download_to: str | os.PathLike[str] | None = None,
    ) -> Task:
        """Buy one task and wait until it finished.

        Args:
            request: What to generate.
            timeout: Seconds from the end of its uploads until the task has ended; its download is
                not counted. None for no limit.
            on_update: Called with each new state of the task, the first and the last too. A plain
                function: what it raises ends the wait, and so does a coroutine that it returns.
            journal: An open `Journal` in which it is written down: what an earlier run bought for an
                equal request is not bought again.
            download_to: A folder, made if need be and tried out before anything is bought, to save
                its files in, named by the task's id.

        Raises:
            TaskFailedError: The task ended without a result; credits are given back.
            DownloadError: It finished, and a file could not be saved, or there is none; the error
                carries the task.
            OSError: The folder takes no files; nothing was bought.
            TaskTimeoutError: The deadline passed; the error carries the task, if there is one.
            JournalError: The journal cannot be used; nothing was bought.
            TypeError: `on_update` returned a coroutine; the task is in `unclaimed`.
            VidgoError: As in `submit` and `wait`.
        """
        runtime = self._open()
        check_request(request)
        check_timeout(timeout)
        on_update = as_callback("on_update", on_update)
        folder = self._folder(runtime, download_to)
        if folder is not None:
            await folder.open()
        single = Single(
            submitter=runtime.submitter,
            request=request,
            callback_url=self._settings.callback_url,
            timeout=timeout,
            on_update=on_update,
            record=await self._record(runtime, journal, request),
            folder=folder,
        )
        try:
            ended = await self._run_single(runtime, single)
        except VidgoError as error:
            await self._log(runtime, single, error)
            raise
        await self._log(runtime, single, None)
        return ended

    async def _log(self, runtime: Runtime, single: Single, error: VidgoError | None) -> None:
        """Write down what became of it; a caller who is cancelled meanwhile loses nothing."""
        writing = runtime.submitter.background.start(single.log(error))
        try:
            await asyncio.wait({writing})
        except BaseException:
            single.release(error)
            raise

    async def _run_single(self, runtime: Runtime, single: Single) -> Task:
        task = await single.buy()
        try:
            ended = await single.wait(task)
            if ended.finished:
                await self._call(runtime, single.save(ended))
        except BaseException as error:
            names_it = isinstance(error, VidgoError) and error.task_id == task.task_id
            is_kept = single.record is not None and single.record.hands_over
            # A task that goes on after the session is named wherever its caller may look.
            if not is_kept and (not names_it or isinstance(error, SessionClosedError)):
                runtime.submitter.add_unclaimed(task)
            raise
        if ended.failed:
            raise TaskFailedError(ended)
        return ended

    def generate_many(
        self,
        requests: Requests,
        *,
        max_in_flight: int = 16,
        timeout: float | None = 900.0,
        on_update: OnUpdate | None = None,
        journal: JournalOrPath | None = None,
        retry_failed: bool = True,
        retries: int = 0,
        download_to: str | os.PathLike[str] | None = None,
        name: NameOf | None = None,
    ) -> Batch:
        """Run many requests to their end; yield one `Outcome` each, in order of completion.

        Errors are data here: one bad request neither stops nor delays its siblings. After a
        401 or a 402 on a submit nothing more is submitted, and each remaining request yields a copy
        of that error. If `requests` itself raises, reading stops, all that was bought is
        yielded, and then that exception is raised.

        Example:
            async for outcome in vidgo.generate_many(requests, max_in_flight=32):
                print(outcome.index, outcome.task.files if outcome.error is None else outcome.error)

        Args:
            requests: Any iterable or async iterable, read as slots free up.
            max_in_flight: Requests read and not yet yielded as outcomes, at most. Requests waiting
                for an upload, and tasks whose files are being saved, are not counted; there may be
                up to `max_in_flight` more of each.
            timeout: Seconds for each request, from when its submit was accepted until its task has
                ended; None for no limit.
            on_update: Called with each new state of each task. If it raises, or returns a
                coroutine, reading stops, all that was bought is yielded, and then it is raised.
            journal: A file in which the batch is written down, or an open `Journal`. With the same
                requests it goes on after a crash: what was bought is not bought again, what ended is
                yielded without a request. What may have been bought when a run died is a
                `SubmissionUnknownError` until `Journal.adopt` or `Journal.forget`. One that cannot be
                used is a `JournalError` before anything is bought.
            retry_failed: Whether what failed in an earlier run is bought anew; else its
                `TaskFailedError` is yielded again.
            retries: How often a task that failed, whose credits came back, is bought anew.
            download_to: A folder, made if need be, to save all files in, named by their tasks'
                ids: `Outcome.paths`. One that takes no files is an `OSError` before anything is
                bought; a finished task without a file is a `DownloadError`. Downloading slows
                neither submitting nor polling: four are downloaded at once, and reading pauses
                only when `max_in_flight` finished tasks wait for it. The folder's `outcomes.jsonl`
                gets a line for each outcome, from which `vidgo_async.page` makes a page.
            name: A plain function that names the files of a finished task instead, given its
                `Pending`, without a suffix. The name is made harmless; what exists is kept, and a
                second file of a name gets a number. What it raises is raised after all outcomes.

        Returns:
            A stream of a `Success` (its `error` is None) or a `Failure` for each request. Both have
            `index` (the request's place, from 0), `request`, `task` (of a `Failure` perhaps None),
            `error` and `paths`.
        """
        runtime = self._open()
        check_requests(requests)
        run = None if journal is None else self._run(journal)
        options = self._batch_options(
            runtime,
            max_in_flight=max_in_flight,
            timeout=timeout,
            on_update=on_update,
            download_to=download_to,
            run=run,
            retry_failed=retry_failed,
            retries=retries,
            name=name,
        )
        return self._batch(runtime, requests, options)

    def resume(
        self,
        journal: JournalOrPath,
        *,
        max_in_flight: int = 16,
        timeout: float | None = 900.0,
        on_update: OnUpdate | None = None,
        retry_failed: bool = True,
        retries: int = 0,
        download_to: str | os.PathLike[str] | None = None,
        name: NameOf | None = None,
    ) -> Batch:
        """Go on with all that is in a journal, without its requests at hand.

        Example:
            async for outcome in vidgo.resume("foxes.vidgo", download_to="videos"):
                print(outcome.request.input, outcome.paths)

        Args:
            journal: Its file, or an open `Journal`.
            max_in_flight: As in `generate_many`, and so are the others.
            timeout: Seconds for each request, counted anew.
            on_update: Called with each new state of each task.
            retry_failed: Whether what failed in an earlier run is bought anew.
            retries: How often a task that failed in this run is bought anew.
            download_to: A folder to save all files in.
            name: What names the files.

        Returns:
            A stream of outcomes, one for each entry; `index` counts them in their order.
        """
        runtime = self._open()
        run = self._run(journal)
        options = self._batch_options(
            runtime,
            max_in_flight=max_in_flight,
            timeout=timeout,
            on_update=on_update,
            download_to=download_to,
            run=run,
            retry_failed=retry_failed,
            retries=retries,
            name=name,
        )
        return self._batch(runtime, run.requests(), options)

    # --- Polling ---------------------------------------------------------------------------

    async def get_task(self, task_id: str) -> Task:
        """Poll a task once, without trying again.

        Raises:
            NotFoundError: The server knows no such task.
            VidgoError: The poll failed otherwise.
        """
        known = as_task(task_id)
        runtime = self._open()
        return await self._call(runtime, runtime.poll(known))

    async def wait(
        self,
        task_or_id: Task | str,
        *,
        timeout: float | None = 900.0,
        on_update: OnUpdate | None = None,
    ) -> Task:
        """Wait until a task ended, well or badly: a failed task is returned, not raised.

        Failed polls do not end it; 401, 403 and 404 in the API's own words do, the third
        time in a row.

        Args:
            task_or_id: A task of known age is first polled when the policy says, a bare id
                at once.
            timeout: Seconds; None for no limit.
            on_update: Called with each new state, the last one too; a plain function.

        Raises:
            TaskTimeoutError: It did not end in time; it goes on.
            TypeError: `on_update` returned a coroutine.
            VidgoError: The server refuses to tell, or the session was closed.
        """
        runtime = self._open()
        task = as_task(task_or_id)
        check_timeout(timeout)
        on_update = as_callback("on_update", on_update)
        return await wait_for_end(runtime.poller, task, timeout=timeout, on_update=on_update)

    def as_completed(
        self, tasks_or_ids: Iterable[Task | str], *, timeout: float | None = None
    ) -> Completions:
        """Poll tasks, and yield each as it ends, in order of completion.

        Example:
            async with vidgo.as_completed(tasks) as completed:
                async for task in completed:
                    print(task.task_id, task.status, len(completed.pending))

        Args:
            tasks_or_ids: Tasks or ids; each distinct id comes once.
            timeout: Seconds for all of it; None for no limit.
        """
        runtime = self._open()
        check_timeout(timeout)
        return Completions(runtime.poller, check_tasks(tasks_or_ids), timeout)

    def hint(self, task_id: str) -> bool:
        """Poll a task at once that is said to have ended; tell whether this session knows it.

        As `WebhookReceiver.hint`, for what another process or another system tells.
        """
        return self._open().poller.poll_now(as_task(task_id).task_id)

    # --- The rest ---------------------------------------------------------------------------

    async def upload(
        self,
        source: str | bytes | os.PathLike[str],
        *,
        file_name: str | None = None,
        upload_path: str | None = None,
    ) -> UploadedFile:
        """Upload a picture (JPEG, PNG, GIF or WebP) to use in requests for 72 hours.

        The API takes five uploads a minute: more are spaced out. An upload is sent again after a
        fault, for `RetryPolicy.timeout` from its first attempt on.

        Args:
            source: A path, streamed from disk; bytes; an http(s) URL, which the server fetches;
                or a base64 `data:` URL. A string is never a path: use `Path`.
            file_name: The name to keep it under.
            upload_path: The folder to keep it in.

        Raises:
            OSError: The file is not there (`FileNotFoundError`), is a folder
                (`IsADirectoryError`), or cannot be read.
            ValueError: It is empty, no picture by its content, or changed while it was sent.
            VidgoError: The server refuses it, or could not be reached in time.
        """
        runtime = self._open()
        return await self._call(runtime, runtime.uploads.upload(source, file_name, upload_path))

    async def download(
        self,
        file: MediaFile,
        destination: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        on_progress: OnProgress | None = None,
    ) -> Path:
        """Fetch a file: streamed to a temporary name beside its destination, then renamed.

        A cut transfer goes on where it stopped, until no new byte came for `RetryPolicy.timeout`.
        Where the host refuses the link the task is polled for a fresh one, and the link is tried
        again, since a new file may not be there yet: as long where the task ended less than ten
        minutes ago, as far as this session knows, else for 15 seconds. An empty body, HTML, JSON
        and XML are no file. The key is not sent to the file's host. Downloads to one destination
        wait for each other.

        Args:
            file: One of a finished task's `files`.
            destination: The path to write to, or a folder, in which the file is named by its
                task's id; a path that ends with a separator is made a folder.
            overwrite: Whether an existing file may be replaced.
            on_progress: Called with (bytes so far, bytes in all or None); fewer than before where
                a transfer starts over. What it raises ends the download.

        Returns:
            The path of the file.

        Raises:
            DownloadError: It could not be fetched or written; the task is as it was. The message
                shows the link without its query, which may be a signature.
        """
        runtime = self._open()
        check_file(file)
        on_progress = as_callback("on_progress", on_progress)
        target = as_path("destination", destination)
        return await self._call(
            runtime,
            runtime.downloads.download(file, target, overwrite=overwrite, on_progress=on_progress),
        )

    async def balance(self) -> Balance:
        """Ask what is left on the account.

        Raises:
            VidgoError: The server refuses, or gave no readable answer.
        """
        runtime = self._open()
        return await self._call(runtime, runtime.balance())

    # --- Inside -----------------------------------------------------------------------------

    def _open(self) -> Runtime:
        """Return the runtime, if this session can be used here and now."""
        if self._closed:
            raise SessionClosedError(CLOSED + "; make a new one")
        if self._runtime is None:
            msg = "the session is not open yet: use `async with VidgoSession() as vidgo:`"
            raise SessionClosedError(msg)
        self._runtime.poller.check_loop()
        return self._runtime

    def _folder(self, runtime: Runtime, path: str | os.PathLike[str] | None) -> Folder | None:
        folder = as_folder("download_to", path)
        return None if folder is None else Folder(folder, runtime.downloads)

    def _run(self, journal: JournalOrPath) -> Run:
        if not isinstance(journal, Journal):
            as_path("journal", journal)
        return Run(journal, self._settings.base_url, self._settings.api_key)

    async def _record(
        self, runtime: Runtime, journal: RequestLog | None, request: Request
    ) -> RequestRecord | None:
        if journal is None:
            return None
        given: Any = journal
        if not isinstance(given, RequestLog):
            msg = f"journal must be an open Journal here, not {type(given).__name__}"
            raise TypeError(msg)
        settings = self._settings
        record = journal.record(request, settings.base_url, settings.api_key)
        return await self._call(runtime, record)

    def _batch_options(
        self,
        runtime: Runtime,
        *,
        max_in_flight: int,
        timeout: float | None,
        on_update: OnUpdate | None,
        download_to: str | os.PathLike[str] | None,
        run: Run | None,
        retry_failed: bool,
        retries: int,
        name: NameOf | None,
    ) -> BatchOptions:
        check_count("max_in_flight", max_in_flight)
        check_count("retries", retries, minimum=0)
        check_callback("name", name)
        check_timeout(timeout)
        return BatchOptions(
            callback_url=self._settings.callback_url,
            timeout=timeout,
            on_update=as_callback("on_update", on_update),
            folder=self._folder(runtime, download_to),
            max_in_flight=max_in_flight,
            max_concurrent_submits=self._settings.submits_at_once,
            run=run,
            retry_failed=retry_failed,
            retries=retries,
            name=name,
        )

    def _batch(self, runtime: Runtime, requests: Requests, options: BatchOptions) -> Batch:
        engine = Engine(runtime.submitter, runtime.poller, requests, options)
        runtime.engines.add(engine)
        return Batch(engine)

    async def _call(self, runtime: Runtime, call: Coroutine[Any, Any, _Value]) -> _Value:
        """Make one call in a task of the session's own, so that closing can end it."""
        task = runtime.calls.start(call)
        try:
            await asyncio.wait({task})
        except BaseException:  # cancelled, or closed with its coroutine
            task.cancel()
            await wait_shielded({task})  # it may have a file to clean up
            mark_retrieved(task)  # the caller gets this exception, whatever the disk said
            raise
        if task.cancelled():
            raise SessionClosedError(CLOSED) if self._closed else VidgoError(CANCELLED)
        return task.result()
