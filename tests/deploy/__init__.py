"""What can be seen of deploy/ without a cluster; tests/cluster applies it to one."""
