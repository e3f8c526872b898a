"""The seam to Connexion: what turns openapi.yaml into the server's behaviour.

loading      finds the file and reads it
routing      a path and a method become an operation
security     a bearer token becomes a user, who must be the path's
schema       schemas become compiled checks
body         bytes become checked JSON
enforcement  parameters and body are checked, and the handler called
documents    the file itself and its pages are served
"""
