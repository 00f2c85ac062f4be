"""What the worker does. procrastinate finds this file by its name."""

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from tracetrack.mail import services
from tracetrack.mail.failures import TryAgain

UNEXPECTED_SECONDS = 60  # after what is not the provider's fault, such as a lost database


class UntilSettled(BaseRetryStrategy):
    """Again and again: the mail's own row decides when it was enough."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:
        known = isinstance(exception, TryAgain)
        return RetryDecision(
            retry_in={"seconds": exception.seconds if known else UNEXPECTED_SECONDS}
        )


# Mails come last, so that a provider which answers nobody holds up nothing else.
@app.task(name="mail.deliver", queue="mail", priority=-10, retry=UntilSettled())
def deliver(*, mail: int) -> None:
    """One try to send this mail."""
    services.deliver(mail_id=mail)


@app.periodic(cron="*/5 * * * *")
@app.task(name="mail.find_forgotten", queue="upkeep", queueing_lock="mail.find_forgotten")
def find_forgotten(timestamp: int) -> None:
    """Mails without a job get one."""
    services.find_forgotten()


@app.periodic(cron="40 20 * * *")  # at night in India
@app.task(name="mail.purge", queue="upkeep", queueing_lock="mail.purge")
def purge(timestamp: int) -> None:
    """What was sent long ago goes."""
    services.purge()


@app.periodic(cron="* * * * *")
@app.task(name="jobs.revive", queue="upkeep", queueing_lock="jobs.revive", pass_context=True)
async def revive(context: JobContext, timestamp: int) -> None:
    """Jobs whose worker has shown no sign of life for half a minute are done again."""
    for job in await context.app.job_manager.get_stalled_jobs():
        await context.app.job_manager.retry_job(job)
