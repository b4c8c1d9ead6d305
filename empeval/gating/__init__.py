"""Policy and verdict: may this release go out?"""
