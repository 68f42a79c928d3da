"""Ray as a `concurrent.futures.Executor`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from tvm_tiny.errors import ToolchainError


class RayExecutor(Executor):
    """Runs functions on a Ray cluster; ToolchainError without Ray.

    options: arguments of `ray.init`, which is called unless Ray is connected already.
    """

    def __init__(self, **options: Any) -> None:
        try:
            import ray
        except ImportError:
            raise ToolchainError(
                "this executor needs ray; install it: pip install 'tvm-tiny[ray]'"
            ) from None
        self._ray = ray
        self._owns = not ray.is_initialized()
        if self._owns:
            ray.init(**options)
        self._pending: list[Any] = []

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        """See `concurrent.futures.Executor`."""
        reference = self._ray.remote(function).remote(*args, **keywords)
        self._pending.append(reference)
        found: Future[Any] = reference.future()
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """See `concurrent.futures.Executor`. Ends Ray only if this object started it."""
        if cancel_futures:
            for reference in self._pending:
                self._ray.cancel(reference)
        elif wait and self._pending:
            self._ray.wait(self._pending, num_returns=len(self._pending))
        if self._owns and self._ray.is_initialized():
            self._ray.shutdown()
