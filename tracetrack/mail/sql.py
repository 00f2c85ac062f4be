"""SQL about mails and their jobs."""

# Mails that wait while no job looks after them. The index mail_by_state finds those that wait, the
# partial index of open jobs finds the jobs; a few rows of each, once in some minutes. A mail is
# committed together with its job, so that one which is just made is never taken for forgotten.
# A job that began long ago has ended, but the database was away when that was to be written down.
FORGOTTEN = """
SELECT mail.id
FROM mail_mail AS mail
WHERE mail.state = 'waiting'
  AND NOT EXISTS (
    SELECT FROM procrastinate_jobs AS job
    WHERE job.status IN ('todo', 'doing')
      AND job.task_name = 'mail.deliver'
      AND (job.args ->> 'mail')::bigint = mail.id
      AND (
        job.status = 'todo'
        OR EXISTS (
          SELECT FROM procrastinate_events AS event
          WHERE event.job_id = job.id
            AND event.type = 'started'
            AND event.at > now() - interval '5 minutes'
        )
      )
  )
"""

# Mails that were sent long ago, oldest first, as many as one short transaction takes. The partial
# index mail_sent finds them; what somebody holds is left for the next time.
PURGE = """
DELETE FROM mail_mail
WHERE id IN (
    SELECT id FROM mail_mail
    WHERE state = 'sent' AND sent_at < %(before)s
    ORDER BY sent_at
    LIMIT %(most)s
    FOR UPDATE SKIP LOCKED
)
"""
