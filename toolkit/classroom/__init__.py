"""Grading a class: many submissions in, one store of results, many reports out.

```
folders, zips, tars ─ intake ─▶ Attempt ─ selection ─▶ GradeJob ─ workers ─▶ ExerciseResult ─▶ store ─▶ results, reports
                       archives   roster, deadlines      packed exercise       local | dask      SQLAlchemy
```

* `archives`: a zip or tar → names and bytes, in memory and bounded; nothing is ever unpacked on the disk.
* `intake`: what Moodle, Canvas, Gradescope, GitHub Classroom or a plain folder hold → one `Attempt` a hand-in.
* `roster`, `lateness`: who is who; when it was due and what being late costs.
* `packing`: an exercise as data (a grader's text may come from a private folder); `jobs`: the picklable unit of work.
* `store`: results by the hash of submission, exercise, seed and toolkit, so that a second run grades what changed.
* `workers`: the same jobs on local sandboxes or on a Dask cluster.
* `session`: one `toolkit grade`, from paths to a filled store; `gradebook`: the rows that exports and reports show.
* `similarity`: pairs of submissions that are alike.
"""
