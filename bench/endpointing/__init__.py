"""When does a method take a turn for over? Every silence judged as eot-bench does, and as heard."""
