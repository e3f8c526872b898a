"""The seam to Connexion: what turns openapi.yaml into the server's behaviour.

loading      finds the file and reads it
routing      a path and a method become an operation
security     a bearer token becomes a user, who must be the path's
schema       schemas become compiled checks
body         bytes become checked JSON
parameters   path, query string and headers become checked values
enforcement  the handler is called with both
documents    the file itself and its pages are served
"""
